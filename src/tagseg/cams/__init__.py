"""Maps of the tags of images; they know tensors and records."""
