"""The body models by name."""
