"""`motion-imitate avatar`."""
