"""Recipe values become objects; it knows recipes."""
