"""How networks learn: one visible loop, one file a network; they know tensors."""
