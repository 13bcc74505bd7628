"""Find the mirror image of each vertex, face and joint of a symmetric body."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

DISTANCE_ROWS = 1024  # rows of the distance matrix per chunk


def match_mirror_points(points: Float[Tensor, "N 3"]) -> Int[Tensor, " N"]:
    """Match each point with its mirror image across x = 0. A point on the plane, or without a partner, maps to itself.

    Mutual nearest neighbours are paired first, then those among the remaining points, so the result is an involution.
    """
    pair = torch.full((len(points),), -1)
    left = torch.arange(len(points))
    while len(left):
        there = nearest_points(points[left] * points.new_tensor([-1.0, 1.0, 1.0]), points[left])
        mutual = there[there] == torch.arange(len(left))
        if not mutual.any():
            pair[left] = left
            break
        pair[left[mutual]] = left[there[mutual]]
        left = left[~mutual]
    return pair


def nearest_points(points: Float[Tensor, "N 3"], among: Float[Tensor, "M 3"]) -> Int[Tensor, " N"]:
    """Index of the nearest point of `among` for each point."""
    return torch.cat(
        [torch.cdist(rows.double(), among.double()).argmin(1) for rows in torch.split(points, DISTANCE_ROWS)]
    )


def match_mirror_faces(
    faces: Int[Tensor, "F 3"], vertices: Float[Tensor, "V 3"], pair: Int[Tensor, " V"]
) -> Int[Tensor, " F"]:
    """Match each face with its mirror image: the face of the mirrored vertices, or the nearest face if the mesh has
    none."""
    known = {tuple(sorted(f)): i for i, f in enumerate(faces.tolist())}
    found = torch.tensor([known.get(tuple(sorted(f)), -1) for f in pair[faces].tolist()])
    rest = (found < 0).nonzero()[:, 0]
    if len(rest):
        found[rest] = rest[match_mirror_points(vertices[faces[rest]].mean(1))]
    return found


def match_mirror_joints(names: tuple[str, ...], left: str, right: str) -> Int[Tensor, " J"]:
    """Match joints by name; `left` and `right` are the substrings that tell the sides apart."""
    swap = [n.replace(left, right) if left in n else n.replace(right, left) for n in names]
    return torch.tensor([names.index(n) for n in swap])
