"""Mutated files for every reader of the package; see ``run``."""
