"""Project points from body space through camera space to image points, and crop cameras."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.types import Camera

DEFAULT_FOCAL_RATIO = 0.9  # default focal length, as a fraction of the image's longer side
NEAR_PLANE = 0.05  # metres; smaller depths are clamped to it


def flip_camera_axes(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Convert between body axes (x left, y up, z front) and camera axes (x right, y down, z away).

    This is half a turn about x, so it is its own inverse.
    """
    return points * points.new_tensor([1.0, -1.0, -1.0])


def body_to_camera(points: Float[Tensor, "B N 3"], camera: Camera) -> Float[Tensor, "B N 3"]:
    """Convert points from body space to camera space."""
    return flip_camera_axes(points) + camera.place[:, None]


def camera_to_image(points: Float[Tensor, "B N 3"], camera: Camera) -> Float[Tensor, "B N 3"]:
    """Project camera-space points to image x, image y and depth."""
    depth = points[..., 2:]
    xy = points[..., :2] / depth.clamp(min=NEAR_PLANE) * camera.focal[:, None] + camera.centre[:, None]
    return torch.cat([xy, depth], dim=-1)


def project_points(points: Float[Tensor, "B N 3"], camera: Camera) -> Float[Tensor, "B N 3"]:
    """Project body-space points to image x, image y and depth."""
    return camera_to_image(body_to_camera(points, camera), camera)


def default_intrinsics(size: tuple[int, int], count: int) -> tuple[Float[Tensor, "B 2"], Float[Tensor, "B 2"]]:
    """Focal length and centre for images of (height, width) taken with an unknown lens."""
    height, width = size
    focal = torch.tensor([2 / width, 2 / height]) * DEFAULT_FOCAL_RATIO * max(size)
    return focal.expand(count, 2), torch.zeros(count, 2)


def crop_window_around(
    points: Float[Tensor, "V 2"], size: tuple[int, int], margin: float
) -> tuple[slice, slice] | None:
    """Rows and columns of the image that contain the points, plus a margin; None if there are fewer than two pixels.

    `margin` is a fraction of the longer side of the points' bounding box.
    """
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


def crop_camera(camera: Camera, window: tuple[slice, slice], size: tuple[int, int]) -> Camera:
    """The camera that sees only a window of the image."""
    rows, columns = window
    share = camera.focal.new_tensor([(columns.stop - columns.start) / size[1], (rows.stop - rows.start) / size[0]])
    middle = camera.focal.new_tensor([(columns.start + columns.stop) / size[1], (rows.start + rows.stop) / size[0]]) - 1
    return aim_camera(camera, middle, share)


def aim_camera(camera: Camera, middle: Float[Tensor, "*B 2"], share: Float[Tensor, "*B 2"]) -> Camera:
    """The camera that sees a window, which may lie outside the image: its middle, and its size over the image's."""
    return replace(camera, focal=camera.focal / share, centre=(camera.centre - middle) / share)


def seen_window(camera: Camera, aimed: Camera) -> tuple[Float[Tensor, "B 2"], Float[Tensor, "B 2"]]:
    """Middle and share with which `aim_camera` makes `aimed` of `camera`."""
    share = camera.focal / aimed.focal
    return camera.centre - aimed.centre * share, share
