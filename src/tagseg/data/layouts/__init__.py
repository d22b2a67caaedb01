"""One reader a layout of a data set."""
