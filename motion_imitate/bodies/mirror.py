"""Which vertex, face and joint of a symmetric body is the other's mirror image."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROWS = 1024  # distances held at a time


def twins(points: Float[Tensor, "N 3"]) -> Int[Tensor, " N"]:
    """Pairs points with the nearest to their mirror image in x = 0; those on it, or with none, with themselves.

    Pairs are those nearest to each other, then those nearest among the rest: an involution for any points.
    """
    pair = torch.full((len(points),), -1)
    left = torch.arange(len(points))
    while len(left):
        there = nearest(points[left] * points.new_tensor([-1.0, 1.0, 1.0]), points[left])
        mutual = there[there] == torch.arange(len(left))
        if not mutual.any():
            pair[left] = left
            break
        pair[left[mutual]] = left[there[mutual]]
        left = left[~mutual]
    return pair


def nearest(points: Float[Tensor, "N 3"], among: Float[Tensor, "M 3"]) -> Int[Tensor, " N"]:
    return torch.cat([torch.cdist(rows.double(), among.double()).argmin(1) for rows in torch.split(points, ROWS)])


def twin_faces(faces: Int[Tensor, "F 3"], vertices: Float[Tensor, "V 3"], pair: Int[Tensor, " V"]) -> Int[Tensor, " F"]:
    """Each face's mirror image: that of its vertices' twins, or the nearest where the mesh has no such face."""
    known = {tuple(sorted(f)): i for i, f in enumerate(faces.tolist())}
    found = torch.tensor([known.get(tuple(sorted(f)), -1) for f in pair[faces].tolist()])
    rest = (found < 0).nonzero()[:, 0]
    if len(rest):
        found[rest] = rest[twins(vertices[faces[rest]].mean(1))]
    return found


def twin_joints(names: tuple[str, ...], left: str, right: str) -> Int[Tensor, " J"]:
    """By name: `left` and `right` are what tells the sides apart in it."""
    swap = [n.replace(left, right) if left in n else n.replace(right, left) for n in names]
    return torch.tensor([names.index(n) for n in swap])
