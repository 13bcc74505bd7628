"""Cameras, rotations, meshes, flow and the rasteriser."""
