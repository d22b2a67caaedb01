"""Faults on purpose: a tiny whole run is disturbed at a drawn moment, started again, and compared byte by byte."""
