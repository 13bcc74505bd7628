"""Synthetic people from a body model and recorded motion, with exact ground truth."""
