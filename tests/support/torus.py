"""A closed surface made by formula, with as many faces as one likes, folded so that it hides parts of itself."""

from math import pi

import torch
from torch import Tensor


def torus(rings: int, sides: int, thick: float = 0.4) -> tuple[Tensor, Tensor]:
    """Vertices [V, 3] about the origin, and faces [2 * rings * sides, 3]."""
    u = torch.arange(rings)[:, None] * 2 * pi / rings
    v = torch.arange(sides) * 2 * pi / sides
    out = 1 + thick * v.cos()
    vertices = torch.stack([out * u.cos(), out * u.sin(), (thick * v.sin()).expand(rings, -1)], -1)
    ring, side = torch.meshgrid(torch.arange(rings), torch.arange(sides), indexing="ij")
    here, along = ring * sides + side, (ring + 1) % rings * sides + side
    across, both = ring * sides + (side + 1) % sides, (ring + 1) % rings * sides + (side + 1) % sides
    faces = torch.stack([torch.stack([here, along, both], -1), torch.stack([here, both, across], -1)], -2)
    return vertices.flatten(0, 1), faces.flatten(0, 2)
