"""`motion-imitate imitate` and `demo`."""
