"""Motions: smoothing, retargeting, ground contact, storage."""
