"""Cameras, rotations, meshes, flow and the rasterizer."""
