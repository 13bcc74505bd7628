"""Blend a drawn person over a background, with shadow or body overlay."""
