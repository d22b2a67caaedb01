"""One file a term of an objective; they know tensors."""
