"""From body space through camera space to image points."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.types import Camera

FIELD = 0.9  # an unknown lens is taken to have a focal length of 0.9 of the picture's long side
NEAR = 0.05  # metres; nothing is projected from nearer


def facing(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Body axes (x left, y up, z front) seen as camera axes (x right, y down, z away) and back: half a turn about x."""
    return points * points.new_tensor([1.0, -1.0, -1.0])


def to_camera(points: Float[Tensor, "B N 3"], camera: Camera) -> Float[Tensor, "B N 3"]:
    return facing(points) + camera.place[:, None]


def to_image(points: Float[Tensor, "B N 3"], camera: Camera) -> Float[Tensor, "B N 3"]:
    """Camera-space points as image x, image y and depth."""
    depth = points[..., 2:]
    xy = points[..., :2] / depth.clamp(min=NEAR) * camera.focal[:, None] + camera.centre[:, None]
    return torch.cat([xy, depth], dim=-1)


def project(points: Float[Tensor, "B N 3"], camera: Camera) -> Float[Tensor, "B N 3"]:
    """Body-space points as image x, image y and depth."""
    return to_image(to_camera(points, camera), camera)


def unknown_lens(size: tuple[int, int], count: int) -> tuple[Float[Tensor, "B 2"], Float[Tensor, "B 2"]]:
    """Focal length and centre for pictures of (height, width) that do not say how they were taken."""
    height, width = size
    focal = torch.tensor([2 / width, 2 / height]) * FIELD * max(size)
    return focal.expand(count, 2), torch.zeros(count, 2)
