"""Contact shadow on the floor under and around the feet."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from motion_imitate.geometry.camera import camera_to_image, crop_camera, crop_window_around
from motion_imitate.geometry.view import limit_raster_size
from motion_imitate.types import Camera, Rasterizer


@dataclass(frozen=True)
class Floor:
    """A plane in camera space: the points whose product with `down` is `depth`."""

    down: Float[Tensor, "3"]  # of length 1
    depth: float  # metres; how far the floor is below the camera

    @classmethod
    def level(cls, y: float) -> "Floor":
        """The floor of a level camera, at y in camera space."""
        return cls(torch.tensor([0.0, 1.0, 0.0]), y)

    def turn_about(self, point: Float[Tensor, "3"], turn: Float[Tensor, "3 3"]) -> "Floor":
        """The floor turned about a point of camera space."""
        down = turn @ self.down
        return Floor(down, self.depth + float(point @ (down - self.down)))

    def heights(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n"]:
        """How far points of camera space are above the floor."""
        return self.depth - points @ self.down.to(points)

    def drop(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        """The points of the floor that are below points of camera space."""
        return points + self.heights(points)[..., None] * self.down.to(points)


LOW_REACH = 3  # times `ShadowSettings.high`, up to where the body casts a shadow


@dataclass(frozen=True)
class ShadowSettings:
    """Strength, height and softness of the shadow."""

    dark: float = 0.5  # fraction of light lost where the body touches the floor
    high: float = 0.08  # metres above the floor at which that has fallen to 1/e
    soft: float = 0.03  # metres; blur of the edge
    view: int = 200  # maximum longer side, in pixels, at which it is drawn
    margin: float = 0.25  # margin, as a fraction of the extent of the low vertices


def cast_shadow(
    picture: UInt8[Tensor, "H W 3"],
    at: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    floor: Floor,
    camera: Camera,
    rasterize: Rasterizer,
    how: ShadowSettings = ShadowSettings(),
) -> None:
    """Darken the picture, in place, where a body standing on the floor casts a shadow."""
    size = (picture.shape[0], picture.shape[1])
    low = at[floor.heights(at) < LOW_REACH * how.high]
    if len(low) == 0:
        return
    window = crop_window_around(camera_to_image(floor.drop(low)[None], camera)[0, :, :2], size, how.margin)
    if window is None:
        return
    part = picture[window]
    small = limit_raster_size((part.shape[0], part.shape[1]), how.view)
    lost = shadow_strength(at, faces, floor, crop_camera(camera, window, size), rasterize, small, how)
    if lost is not None:
        darken_picture(part, lost)


def shadow_strength(
    at: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    floor: Floor,
    camera: Camera,
    rasterize: Rasterizer,
    size: tuple[int, int],
    how: ShadowSettings = ShadowSettings(),
) -> Float[Tensor, "h w"] | None:
    """Fraction of light that each pixel of (height, width) loses; None if the body is far above the floor.

    `at` are the vertices in camera space.
    """
    height = floor.heights(at).clamp(min=0)
    low = faces[(height < LOW_REACH * how.high)[faces].all(1)]
    if len(low) == 0:
        return None
    spots = camera_to_image(floor.drop(at)[None], camera)[0, :, :2]
    raster = rasterize(torch.cat([spots, 1 + height[:, None]], 1)[low][None], size)  # the lowest vertex is the nearest
    dark = how.dark * torch.exp(1 - raster.depth[0]).pow(1 / how.high)
    away = float(at[low.flatten(), 2].mean())
    wide = how.soft * float(camera.focal[0, 0]) / away * size[1] / 2
    deep = how.soft * float(camera.focal[0, 1]) * abs(floor.depth) / away**2 * size[0] / 2
    return torch.from_numpy(cv2.GaussianBlur(dark.numpy(), (0, 0), max(wide, 0.5), sigmaY=max(deep, 0.5)))


def darken_picture(picture: UInt8[Tensor, "h w 3"], lost: Float[Tensor, "H W"]) -> None:
    """Darken the picture, in place, by the fraction `lost`, resized to fit."""
    rows = (lost > 0.004).any(1).nonzero()[:, 0]
    if len(rows) == 0:
        return
    scale = len(picture) / len(lost)
    part = slice(int(rows[0] * scale), int((rows[-1] + 2) * scale))
    whole = cv2.resize(lost.numpy(), (picture.shape[1], picture.shape[0]))[part, :, None]
    below = picture[part].numpy()
    np.copyto(below, np.rint(below * (1 - whole)).astype(np.uint8))
