"""Files to tensors; they know photographs, masks and tags."""
