"""`motion-imitate web`."""
