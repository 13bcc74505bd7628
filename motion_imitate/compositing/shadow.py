"""The shadow that whoever stands on the ground leaves right under and about the feet."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from motion_imitate.geometry.camera import around, cut, to_image
from motion_imitate.types import Camera, Rasterizer


@dataclass(frozen=True)
class Shading:
    dark: float = 0.5  # of the light that is lost where something lies on the ground
    high: float = 0.08  # metres above it at which that has become a third
    soft: float = 0.03  # metres over which the edge fades
    view: int = 200  # pixels of the longer side at which it is drawn
    margin: float = 0.25  # of the extent of what is low, round it


def cast(
    picture: UInt8[Tensor, "H W 3"],
    at: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    floor: float,
    camera: Camera,
    rasterize: Rasterizer,
    how: Shading = Shading(),
) -> None:
    """Takes the light from the picture itself."""
    size = (picture.shape[0], picture.shape[1])
    low = at[floor - at[:, 1] < 3 * how.high]
    if len(low) == 0:
        return
    ground = torch.stack([low[:, 0], torch.full_like(low[:, 0], floor), low[:, 2]], 1)
    window = around(to_image(ground[None], camera)[0, :, :2], size, how.margin)
    if window is None:
        return
    part = picture[window]
    scale = min(1.0, how.view / max(part.shape[:2]))
    small = (max(8, round(part.shape[0] * scale)), max(8, round(part.shape[1] * scale)))
    lost = shadow(at, faces, floor, cut(camera, window, size), rasterize, small, how)
    if lost is not None:
        darken(part, lost)


def shadow(
    at: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    floor: float,
    camera: Camera,
    rasterize: Rasterizer,
    size: tuple[int, int],
    how: Shading = Shading(),
) -> Float[Tensor, "h w"] | None:
    """How much light each pixel of (height, width) loses to a body whose vertices are `at` in camera space; None if it
    is far above the ground, which is level and has the camera's y of `floor`."""
    height = (floor - at[:, 1]).clamp(min=0)
    low = faces[(height < 3 * how.high)[faces].all(1)]
    if len(low) == 0:
        return None
    flat = torch.stack([at[:, 0], torch.full_like(height, floor), at[:, 2]], 1)
    spots = to_image(flat[None], camera)[0, :, :2]
    raster = rasterize(torch.cat([spots, 1 + height[:, None]], 1)[low][None], size)  # what is lowest is nearest
    dark = how.dark * torch.exp(1 - raster.depth[0]).pow(1 / how.high)
    away = float(at[low.flatten(), 2].mean())
    wide = how.soft * float(camera.focal[0, 0]) / away * size[1] / 2
    deep = how.soft * float(camera.focal[0, 1]) * abs(floor) / away**2 * size[0] / 2
    return torch.from_numpy(cv2.GaussianBlur(dark.numpy(), (0, 0), max(wide, 0.5), sigmaY=max(deep, 0.5)))


def darken(picture: UInt8[Tensor, "h w 3"], lost: Float[Tensor, "H W"]) -> None:
    """Takes light from the picture itself."""
    rows = (lost > 0.004).any(1).nonzero()[:, 0]
    if len(rows) == 0:
        return
    scale = len(picture) / len(lost)
    part = slice(int(rows[0] * scale), int((rows[-1] + 2) * scale))
    whole = cv2.resize(lost.numpy(), (picture.shape[1], picture.shape[0]))[part, :, None]
    below = picture[part].numpy()
    np.copyto(below, np.rint(below * (1 - whole)).astype(np.uint8))
