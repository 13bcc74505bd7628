"""`motion-imitate synthesize` and `synthesize-pairs`."""
