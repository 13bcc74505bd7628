"""Crops of a photo for the parsing network: a window of a fixed shape around the person, and back."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motion_imitate.avatar.parsing_net import PARSING_SIZE


@dataclass(frozen=True)
class CropWindow:
    """A rectangle of a photo, in pixels; it may extend beyond the photo."""

    left: float
    top: float
    width: float
    height: float


def fit_crop_window(
    box: tuple[float, float, float, float], size: tuple[int, int] = PARSING_SIZE, fill: float = 0.9
) -> CropWindow:
    """The window, of the crop's aspect ratio, in which a box (left, top, right, bottom) takes up a share `fill`."""
    left, top, right, bottom = box
    high = max((bottom - top) / fill, (right - left) / fill * size[0] / size[1])
    wide = high * size[1] / size[0]
    return CropWindow((left + right - wide) / 2, (top + bottom - high) / 2, wide, high)


def crop_to_window(
    image: Float[Tensor, "C H W"], window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> Float[Tensor, "C h w"]:
    """The window, resized with antialiasing; the border is repeated outside the image."""
    height, width = image.shape[1:]
    shrink = window.height / size[0]
    if shrink > 1.5:
        small = (max(1, round(height / shrink * 1.2)), max(1, round(width / shrink * 1.2)))
        image = F.interpolate(image[None], small, mode="bilinear", antialias=True, align_corners=False)[0]
    x, y = window_coordinates(window, size)
    grid = torch.stack(torch.meshgrid(x / width * 2 - 1, y / height * 2 - 1, indexing="xy"), -1)[None].to(image)
    return F.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]


def window_coordinates(
    window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> tuple[Float[Tensor, " w"], Float[Tensor, " h"]]:
    """x and y, in the photo's pixels, of the centres of a crop's columns and rows."""
    x = window.left + window.width * (torch.arange(size[1]) + 0.5) / size[1]
    y = window.top + window.height * (torch.arange(size[0]) + 0.5) / size[0]
    return x, y


def mark_inside_photo(
    window: CropWindow, photo_size: tuple[int, int], size: tuple[int, int] = PARSING_SIZE
) -> Float[Tensor, "1 h w"]:
    """1 where the crop shows the photo, 0 outside it."""
    x, y = window_coordinates(window, size)
    rows, columns = (y >= 0) & (y < photo_size[0]), (x >= 0) & (x < photo_size[1])
    return (rows[:, None] & columns).float()[None]


def uncrop_window(
    crop: Float[Tensor, "C h w"], window: CropWindow, photo_size: tuple[int, int]
) -> Float[Tensor, "C H W"]:
    """The crop at its place in an image of the photo's size, zero outside the window."""
    x = ((torch.arange(photo_size[1]) + 0.5 - window.left) / window.width) * 2 - 1
    y = ((torch.arange(photo_size[0]) + 0.5 - window.top) / window.height) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None].to(crop)
    return F.grid_sample(crop[None], grid, mode="bicubic", padding_mode="zeros", align_corners=False)[0]


def repeat_photo_border(maps: Float[Tensor, "C h w"], inside: Bool[Tensor, "h w"]) -> Float[Tensor, "C h w"]:
    """The crop's maps with the nearest pixel of the photo outside it, so that resizing does not blend the border."""
    rows, columns = (line.nonzero()[:, 0] for line in (inside.any(1), inside.any(0)))
    y = torch.arange(maps.shape[1]).clamp(int(rows[0]), int(rows[-1]))
    x = torch.arange(maps.shape[2]).clamp(int(columns[0]), int(columns[-1]))
    return maps[:, y[:, None], x]


def crop_labels(
    maps: UInt8[Tensor, "C H W"], window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> UInt8[Tensor, "C h w"]:
    """The window of label maps, nearest pixels; 0 outside the photo."""
    x, y = (line.floor().long() for line in window_coordinates(window, size))
    height, width = maps.shape[1:]
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
    return maps[:, y.clamp(0, height - 1)[:, None], x.clamp(0, width - 1)] * inside
