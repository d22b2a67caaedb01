"""Scores, from one confusion matrix; they know label maps and tags."""
