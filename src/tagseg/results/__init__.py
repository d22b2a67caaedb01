"""A run read back, to be looked at; it knows recipes and run folders."""
