"""Ways to make positive maps of tags: one file a method."""
