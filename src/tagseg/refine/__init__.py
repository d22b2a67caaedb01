"""From class activation maps to pseudo masks."""
