"""A run read back, to be looked at."""
