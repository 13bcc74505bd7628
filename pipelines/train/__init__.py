"""`motion-imitate train`."""
