"""Blend the generated person over a background, with a shadow or a body overlay."""
