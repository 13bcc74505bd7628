"""Measures of motion and of pictures."""
