"""Pure functions of tensors and lists; they know shapes."""
