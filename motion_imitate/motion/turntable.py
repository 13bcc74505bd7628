"""Motions of a person who stands still while the camera goes round them."""

from collections.abc import Iterator
from math import pi, radians

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body, Camera, Motion


def circle_person(
    body: Body, camera: Camera, frames: int, rate: float, elevation: float = 0.0, run: int = 32
) -> Iterator[Motion]:
    """One turn of the camera round a body in its pose, `elevation` degrees above it, in runs of at most `run` frames.

    The camera stays where it is in the picture; the body turns to its right before it, about its root.
    """
    for first in range(0, frames, run):
        number = torch.arange(first, min(first + run, frames), dtype=torch.float32)
        turn = orbit_rotations(number / frames * 2 * pi, radians(elevation))
        count = len(number)
        pose = body.pose[:1].expand(count, -1, -1, -1)
        pose = torch.cat([turn[:, None] @ pose[:, :1], pose[:, 1:]], 1)
        still = camera[:1].map(lambda values: values.expand(count, *values.shape[1:]))  # noqa: B023
        yield Motion(Body(pose, body.shape[:1].expand(count, -1)), still, torch.ones(count), number / rate)


def orbit_rotations(azimuth: Float[Tensor, " T"], elevation: float) -> Float[Tensor, "T 3 3"]:
    """Rotations in body space, where y is up, that show a body as a camera at these angles in radians sees it."""
    about_y = torch.zeros(len(azimuth), 3)
    about_y[:, 1] = azimuth
    tilt = rotation_vector_to_matrix(torch.tensor([[elevation, 0.0, 0.0]]))
    return tilt @ rotation_vector_to_matrix(about_y)
