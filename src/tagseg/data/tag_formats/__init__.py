"""Tags in the files of annotation tools: one reader a tool, each yields the rows of its file."""
