"""Soft shadows on a floor that is never seen: made of a person's vertices, not of their faces."""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.camera import to_image
from motion_imitate.types import Camera

COARSE = 4  # pixels of the picture to one of the shadow's
EVERY = 5  # vertices to one that counts
FADE = 0.5  # metres above the floor at which half of the shadow is left


def shadow(
    at: Float[Tensor, "B N 3"],
    camera: Camera,
    tilt: Float[Tensor, "B 3 3"],
    towards: Float[Tensor, "3"],
    size: tuple[int, int],
    dark: float,
) -> Float[Tensor, "B 1 H W"]:
    """What is left of the light on the floor under people in camera space, whose feet are on it or above."""
    out = []
    up = tilt[:, :, 1] * at.new_tensor([1.0, -1.0, -1.0])
    for k in range(len(at)):
        points = at[k, ::EVERY]
        height = points @ up[k]
        height = height - height.min()
        slope = (towards @ up[k]).clamp(min=0.35)
        out.append(one(points, height, up[k], towards / slope, camera[k : k + 1], size, dark))
    return torch.from_numpy(np.stack(out))[:, None]


def one(
    points: Float[Tensor, "M 3"],
    height: Float[Tensor, " M"],
    up: Tensor,
    along: Tensor,
    camera: Camera,
    size: tuple[int, int],
    dark: float,
) -> Float[np.ndarray, "H W"]:
    small = (size[0] // COARSE, size[1] // COARSE)
    heap = np.zeros(small[0] * small[1], np.float32)
    for way, share, fade in ((along, 0.35, FADE), (up, 1.0, 0.06)):
        flat = to_image((points - height[:, None] * way)[None], camera)[0]
        column, row = ((flat[:, 0] + 1) / 2 * small[1]).floor(), ((flat[:, 1] + 1) / 2 * small[0]).floor()
        good = (column >= 0) & (column < small[1]) & (row >= 0) & (row < small[0]) & (flat[:, 2] > 0.1)
        index = (row * small[1] + column)[good].long().numpy()
        weight = (share * torch.exp2(-height[good] / fade)).numpy()
        heap += np.bincount(index, weight, len(heap)).astype(np.float32)
    soft = cv2.GaussianBlur(heap.reshape(small), (0, 0), 1.3)
    soft = 1 - np.exp(-soft * (3000 / max(len(points), 1)) * 0.15)
    grown = cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(1 - dark * np.clip(grown, 0, 1), np.float32)
