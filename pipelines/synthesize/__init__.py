"""`motion-imitate synthesize`."""
