"""Exports read back by programs that are not ours; `make readers` installs these in an environment of their own."""
