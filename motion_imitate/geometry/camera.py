"""From body space through camera space to image points."""

from dataclasses import replace

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


def around(points: Float[Tensor, "V 2"], size: tuple[int, int], margin: float) -> tuple[slice, slice] | None:
    """Rows and columns of the picture that hold the points, with a margin; None if it holds none of them."""
    if not points.isfinite().all():
        return None
    half = points.new_tensor([size[1], size[0]]) / 2
    pixels = (points + 1) * half
    low, high = pixels.amin(0), pixels.amax(0)
    wide = margin * float((high - low).max())
    left, top = (low - wide).floor().clamp(min=0).tolist()
    right, bottom = torch.minimum((high + wide).ceil(), 2 * half).tolist()
    if right - left < 2 or bottom - top < 2:
        return None
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def cut(camera: Camera, window: tuple[slice, slice], size: tuple[int, int]) -> Camera:
    """The camera that sees a window of the picture only."""
    rows, columns = window
    share = camera.focal.new_tensor([(columns.stop - columns.start) / size[1], (rows.stop - rows.start) / size[0]])
    middle = camera.focal.new_tensor([(columns.start + columns.stop) / size[1], (rows.start + rows.stop) / size[0]]) - 1
    return replace(camera, focal=camera.focal / share, centre=(camera.centre - middle) / share)
