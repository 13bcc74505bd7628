"""Backgrounds: inpainting, clean plates and image alignment."""
