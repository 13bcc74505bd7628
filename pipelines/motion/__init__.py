"""`motion-imitate motion`: extract, overlay, show and export."""
