"""The command line, the only code that prints and exits; it knows people."""
