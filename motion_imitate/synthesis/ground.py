"""Soft ground shadows on a floor that is not rendered, splatted from a person's vertices."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.types import Camera

SHADOW_DOWNSCALE = 4  # image pixels per shadow pixel
SHADOW_VERTEX_STEP = 5  # only every fifth vertex is used
SHADOW_FADE_HEIGHT = 0.5  # metres above the floor at which the shadow is half as dark


def render_ground_shadow(
    at: Float[Tensor, "B N 3"],
    camera: Camera,
    tilt: Float[Tensor, "B 3 3"],
    towards: Float[Tensor, "3"],
    size: tuple[int, int],
    dark: float,
) -> Float[Tensor, "B 1 H W"]:
    """Share of the light that remains on the floor, 1 outside the shadow.

    `at` is in camera space; the lowest vertex touches the floor.
    """
    out = []
    up = tilt[:, :, 1] * at.new_tensor([1.0, -1.0, -1.0])
    for k in range(len(at)):
        points = at[k, ::SHADOW_VERTEX_STEP]
        height = points @ up[k]
        height = height - height.min()
        slope = (towards @ up[k]).clamp(min=0.35)
        out.append(render_view_shadow(points, height, up[k], towards / slope, camera[k : k + 1], size, dark))
    return torch.from_numpy(np.stack(out))[:, None]


def render_view_shadow(
    points: Float[Tensor, "M 3"],
    height: Float[Tensor, " M"],
    up: Tensor,
    along: Tensor,
    camera: Camera,
    size: tuple[int, int],
    dark: float,
) -> Float[np.ndarray, "H W"]:
    """The shadow of one view, blurred at a low resolution."""
    small = (size[0] // SHADOW_DOWNSCALE, size[1] // SHADOW_DOWNSCALE)
    heap = np.zeros(small[0] * small[1], np.float32)
    for way, share, fade in ((along, 0.35, SHADOW_FADE_HEIGHT), (up, 1.0, 0.06)):
        flat = camera_to_image((points - height[:, None] * way)[None], camera)[0]
        column, row = ((flat[:, 0] + 1) / 2 * small[1]).floor(), ((flat[:, 1] + 1) / 2 * small[0]).floor()
        good = (column >= 0) & (column < small[1]) & (row >= 0) & (row < small[0]) & (flat[:, 2] > 0.1)
        index = (row * small[1] + column)[good].long().numpy()
        weight = (share * torch.exp2(-height[good] / fade)).numpy()
        heap += np.bincount(index, weight, len(heap)).astype(np.float32)
    soft = cv2.GaussianBlur(heap.reshape(small), (0, 0), 1.3)
    soft = 1 - np.exp(-soft * (3000 / max(len(points), 1)) * 0.15)
    grown = cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(1 - dark * np.clip(grown, 0, 1), np.float32)
