"""`motion-imitate novel-view`."""
