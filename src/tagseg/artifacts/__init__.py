"""What passes between stages, one reader and one writer a kind; they know files."""
