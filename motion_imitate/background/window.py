"""The photo's background as each frame's camera sees it: beyond the photo it is continued with patches of it."""

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.background.align import Bytes
from motion_imitate.background.backdrop import Backdrop
from motion_imitate.background.fill import InpaintSettings, inpaint_hidden
from motion_imitate.geometry.camera import seen_window
from motion_imitate.types import Source

BEYOND_INPAINTING = InpaintSettings(side=360)  # coarse patches: fast, and large structures go on
FIRST_STEP, LATER_STEP = 1 / 8, 1 / 2  # of the photo's size: sides grow by multiples of it
DEFOCUS = 0.04  # blur of what is beyond the photo, in pixels per pixel from it; it hides repeated patches
BLURS = (1.5, 3.0, 6.0, 12.0, 24.0)  # pixels
SHARP_SHRINK = 1.2  # windows larger than this, times the photo's, are sampled more finely
Sides = tuple[float, float, float, float]  # left, top, right and bottom


@dataclass(frozen=True)
class ContinuedPhoto:
    """A photo and its surroundings."""

    raw: Bytes  # [h, w, 3]
    shown: Bytes  # the same, ever more out of focus away from the photo
    corner: tuple[int, int]  # row and column of the photo in it
    size: tuple[int, int]  # of the photo

    @classmethod
    def of(cls, photo: Float[Tensor, "3 H W"]) -> "ContinuedPhoto":
        """The photo without surroundings."""
        picture = (photo * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        return cls(picture, picture, (0, 0), (picture.shape[0], picture.shape[1]))

    def missing_sides(self, sides: Sides) -> Sides:
        """How far a window, by its sides in image points of the photo, reaches out of this, in sizes of the photo."""
        (top, left), (height, width) = self.corner, self.size
        beyond = (left / width, top / height, (self.raw.shape[1] - left) / width, (self.raw.shape[0] - top) / height)
        begins, ends = [(1 + side) / 2 for side in sides[:2]], [(1 + side) / 2 for side in sides[2:]]
        return -begins[0] - beyond[0], -begins[1] - beyond[1], ends[0] - beyond[2], ends[1] - beyond[3]

    def continue_outwards(self, sides: Sides) -> "ContinuedPhoto":
        """The same, large enough for a window."""
        missing = self.missing_sides(sides)
        if max(missing) <= 1e-4:
            return self
        step = FIRST_STEP if self.raw.shape[:2] == self.size else LATER_STEP
        height, width = self.size
        left, top, right, bottom = (
            round(ceil(max(0.0, side) / step - 1e-3) * step * length)
            for side, length in zip(missing, (width, height, width, height), strict=True)
        )
        raw = fill_surroundings(self.raw, (left, top, right, bottom))
        corner = (self.corner[0] + top, self.corner[1] + left)
        return ContinuedPhoto(raw, blur_surroundings(raw, corner, self.size), corner, self.size)

    def view_window(self, middle: tuple[float, float], share: tuple[float, float]) -> Bytes:
        """A window at the size of the photo, from its middle in image points and its size over the photo's."""
        height, width = self.size
        finer = ceil(max(share) - SHARP_SHRINK + 1) if max(share) > SHARP_SHRINK else 1
        rows = []
        for x, part, length, offset in zip(middle, share, (width, height), self.corner[::-1], strict=True):
            step = part / finer
            rows.append((step, step / 2 + (x - part + 1) * length / 2 - 0.5 + offset))
        (across, left), (down, top) = rows
        plane = np.array([[across, 0, left], [0, down, top]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        large = cv2.warpAffine(
            self.shown, plane, (width * finer, height * finer), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA) if finer > 1 else large)


def fill_surroundings(picture: Bytes, pixels: tuple[int, int, int, int]) -> Bytes:
    """Continue a picture by so many pixels to the left, top, right and bottom, with patches of it."""
    left, top, right, bottom = pixels
    padded = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE)
    hidden = np.ones(padded.shape[:2], np.float32)
    hidden[top : top + picture.shape[0], left : left + picture.shape[1]] = 0
    image = torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 255
    filled = inpaint_hidden(image, torch.from_numpy(hidden)[None, None], BEYOND_INPAINTING)
    return (filled[0] * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def blur_surroundings(picture: Bytes, corner: tuple[int, int], size: tuple[int, int]) -> Bytes:
    """Blur the surroundings of a photo, the more the farther from it."""
    beyond = np.ones(picture.shape[:2], np.uint8)
    beyond[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = 0
    wanted = DEFOCUS * cv2.distanceTransform(beyond, cv2.DIST_L2, 5)
    mixed, small, before, scale = picture.astype(np.float32), picture, 0.0, 1.0
    for blur in BLURS:
        if wanted.max() <= before:
            break
        small = cv2.GaussianBlur(small, (0, 0), np.sqrt(blur**2 - before**2) / scale)
        blurred = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        mixed += (blurred - mixed) * ((wanted - before) / (blur - before)).clip(0, 1)[..., None]
        before = blur
        if blur / scale >= 3:
            small, scale = cv2.pyrDown(small), scale * 2
    return (mixed + 0.5).clip(0, 255).astype(np.uint8)


def window_backdrop(source: Source) -> Backdrop:
    """The background of the first photo, as the camera of each frame of a motion sees it."""
    shown = view_photo_windows(source)
    next(shown)
    return shown


def view_photo_windows(source: Source) -> Backdrop:
    """The generator behind `window_backdrop`. What is beyond the photo is made when it is first seen."""
    whole = ContinuedPhoto.of(source.background[0])
    seen, picture = None, torch.from_numpy(whole.raw).permute(2, 0, 1)
    motion = yield picture[None]
    while True:
        middles, shares = seen_window(source.camera[:1], motion.camera)
        pictures: list[UInt8[Tensor, "3 H W"]] = []
        for (x, y), (across, down) in zip(middles.tolist(), shares.tolist(), strict=True):
            if seen != (x, y, across, down):
                whole = whole.continue_outwards((x - across, y - down, x + across, y + down))
                picture = torch.from_numpy(whole.view_window((x, y), (across, down))).permute(2, 0, 1)
                seen = (x, y, across, down)
            pictures.append(picture)
        still = all(one is pictures[0] for one in pictures)
        motion = yield pictures[0].expand(len(pictures), -1, -1, -1) if still else torch.stack(pictures)
