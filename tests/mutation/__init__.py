"""Formulas that are changed one at a time, to see that a test fails; see ``run``."""
