"""What people do with a trained network; it knows recipes, run folders and people's files."""
