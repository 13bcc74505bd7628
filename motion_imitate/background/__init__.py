"""Backgrounds: inpainting, clean plates and camera alignment."""
