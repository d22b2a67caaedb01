"""Recipe values become objects."""
