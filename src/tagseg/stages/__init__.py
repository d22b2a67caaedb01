"""The eight stages, and what they share: each reads what those before it left, and knows none of the others."""
