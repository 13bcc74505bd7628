"""Simplify a body mesh, for silhouettes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def coarsen_mesh(
    vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], groups: Int[Tensor, " V"], wanted: int
) -> tuple[Int[Tensor, " P"], Int[Tensor, "Q 3"]]:
    """Simplify the mesh to at most `wanted` of its vertices, and the triangles between them.

    Vertices are merged within a grid cell and a group, so an arm is never merged with the torso that it touches.
    """
    cell = 0.005
    while True:
        kept, place = cluster_vertices(vertices, groups, cell)
        if len(kept) <= wanted:
            break
        cell *= 1.1
    small = torch.unique(place[faces], dim=0)
    whole = (small[:, 0] != small[:, 1]) & (small[:, 1] != small[:, 2]) & (small[:, 2] != small[:, 0])
    return kept, small[whole]


def cluster_vertices(
    vertices: Float[Tensor, "V 3"], groups: Int[Tensor, " V"], cell: float
) -> tuple[Int[Tensor, " P"], Int[Tensor, " V"]]:
    """The vertex nearest to the centre of each occupied grid cell, and each vertex's cell."""
    cubes = torch.cat([(vertices / cell).floor().long(), groups[:, None]], dim=1)
    _, place, count = torch.unique(cubes, dim=0, return_inverse=True, return_counts=True)
    middle = torch.zeros(len(count), 3).index_add_(0, place, vertices) / count[:, None]
    away = (vertices - middle[place]).norm(dim=1)
    order = away.argsort(descending=True)  # so that the nearest is written last
    kept = torch.zeros(len(count), dtype=torch.long)
    kept[place[order]] = order
    return kept, place
