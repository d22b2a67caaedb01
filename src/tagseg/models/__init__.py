"""Networks; they know tensors and weight files."""
