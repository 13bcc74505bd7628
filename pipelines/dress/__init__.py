"""`motion-imitate dress`."""
