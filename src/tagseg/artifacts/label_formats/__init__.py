"""Label maps for annotation tools and other trainers: one file a format."""
