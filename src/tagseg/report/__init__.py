"""Pages and pictures without torch; they know plain values."""
