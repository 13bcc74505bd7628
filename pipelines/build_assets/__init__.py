"""Build the shipped assets from their sources."""
