"""`motion-imitate evaluate`."""
