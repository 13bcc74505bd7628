"""The photo's background as each frame's camera sees it: beyond the photo it is continued with patches of it.

How far it is continued grows with the windows that are seen, in an order that does not depend on runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.background.align import Bytes
from motion_imitate.background.backdrop import Backdrop
from motion_imitate.background.fill import InpaintSettings, inpaint_hidden
from motion_imitate.geometry.camera import seen_window
from motion_imitate.types import Motion, Source

BEYOND_INPAINTING = InpaintSettings(side=360)  # coarse patches: fast, and large structures go on
FIRST_STEP, LATER_STEP = 1 / 8, 1 / 2  # of the photo's size: sides grow by multiples of it
DEFOCUS = 0.04  # blur of what is beyond the photo, in pixels per pixel from it; it hides repeated patches
BLURS = (1.5, 3.0, 6.0, 12.0, 24.0)  # pixels
SHARP_SHRINK = 1.2  # windows larger than this, times the photo's, are sampled more finely
Sides = tuple[float, float, float, float]  # left, top, right and bottom
Padding = tuple[int, int, int, int]  # the same, in pixels


@dataclass(frozen=True)
class PhotoSurroundings:
    """How far a photo of (height, width) is continued to each side."""

    size: tuple[int, int]
    pixels: Padding = (0, 0, 0, 0)

    def padding_for(self, window: Sides) -> Padding:
        """What is missing of a window, given by its sides in image points of the photo; in large steps."""
        step = LATER_STEP if any(self.pixels) else FIRST_STEP
        lengths = (self.size[1], self.size[0]) * 2
        beyond = (-window[0] - 1, -window[1] - 1, window[2] - 1, window[3] - 1)
        missing = [side / 2 - have / length for side, have, length in zip(beyond, self.pixels, lengths, strict=True)]
        steps = [ceil(max(0.0, part) / step - 1e-3) * step for part in missing]
        left, top, right, bottom = (round(part * length) for part, length in zip(steps, lengths, strict=True))
        return left, top, right, bottom

    def pad(self, more: Padding) -> "PhotoSurroundings":
        """The same with so much more."""
        left, top, right, bottom = (have + added for have, added in zip(self.pixels, more, strict=True))
        return PhotoSurroundings(self.size, (left, top, right, bottom))


@dataclass(frozen=True)
class ContinuedPhoto:
    """A photo and its surroundings."""

    raw: Bytes  # [h, w, 3]
    shown: Bytes  # the same, ever more out of focus away from the photo
    around: PhotoSurroundings

    @classmethod
    def of(cls, photo: Float[Tensor, "3 H W"]) -> "ContinuedPhoto":
        """The photo without surroundings."""
        picture = (photo * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        return cls(picture, picture, PhotoSurroundings((picture.shape[0], picture.shape[1])))

    def pad(self, more: Padding) -> "ContinuedPhoto":
        """The same, continued farther."""
        if not any(more):
            return self
        raw, around = fill_surroundings(self.raw, more), self.around.pad(more)
        return ContinuedPhoto(raw, blur_surroundings(raw, around), around)

    def view_window(self, middle: tuple[float, float], share: tuple[float, float]) -> Bytes:
        """A window at the size of the photo, from its middle in image points and its size over the photo's."""
        (height, width), (left, top, _, _) = self.around.size, self.around.pixels
        finer = ceil(max(share) - SHARP_SHRINK + 1) if max(share) > SHARP_SHRINK else 1
        across, down = share[0] / finer, share[1] / finer
        begins = [(x - part + 1) / 2 for x, part in zip(middle, share, strict=True)]
        x, y = begins[0] * width + left + across / 2 - 0.5, begins[1] * height + top + down / 2 - 0.5
        plane = np.array([[across, 0, x], [0, down, y]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        large = cv2.warpAffine(
            self.shown, plane, (width * finer, height * finer), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA) if finer > 1 else large)


def fill_surroundings(picture: Bytes, more: Padding) -> Bytes:
    """Continue a picture with patches of it."""
    left, top, right, bottom = more
    padded = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE)
    hidden = np.ones(padded.shape[:2], np.float32)
    hidden[top : top + picture.shape[0], left : left + picture.shape[1]] = 0
    image = torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 255
    filled = inpaint_hidden(image, torch.from_numpy(hidden)[None, None], BEYOND_INPAINTING)
    return (filled[0] * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def blur_surroundings(picture: Bytes, around: PhotoSurroundings) -> Bytes:
    """Blur the surroundings of a photo, the more the farther from it."""
    beyond, (left, top, _, _) = np.ones(picture.shape[:2], np.uint8), around.pixels
    beyond[top : top + around.size[0], left : left + around.size[1]] = 0
    wanted = DEFOCUS * cv2.distanceTransform(beyond, cv2.DIST_L2, 5)
    mixed, before, scale = picture.astype(np.float32), 0.0, 1.0
    small: NDArray[np.integer[Any] | np.floating[Any]] = picture
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


def frame_windows(source: Source, motion: Motion) -> list[tuple[float, float, float, float]]:
    """The windows of the photo that a motion's cameras see: middle x and y, and the size over the photo's."""
    middle, share = seen_window(source.camera[:1], motion.camera)
    return [(x, y, across, down) for x, y, across, down in torch.cat([middle, share], 1).tolist()]


def window_sides(window: tuple[float, float, float, float]) -> Sides:
    """The sides of a window, in image points of the photo."""
    x, y, across, down = window
    return x - across, y - down, x + across, y + down


def window_backdrop(source: Source, begun: Sequence[Padding] = ()) -> Backdrop:
    """The background of the first photo, as the camera of each frame of a motion sees it.

    What is beyond the photo is made when it is first seen; in a segment of a video after `begun`, made before it.
    """
    shown = view_photo_windows(source, begun)
    next(shown)
    return shown


def view_photo_windows(source: Source, begun: Sequence[Padding]) -> Backdrop:
    """The generator behind `window_backdrop`."""
    whole = ContinuedPhoto.of(source.background[0])
    picture = torch.from_numpy(whole.raw).permute(2, 0, 1)
    motion = yield picture[None]
    for more in begun:
        whole = whole.pad(more)
    seen = None
    while True:
        pictures: list[UInt8[Tensor, "3 H W"]] = []
        for window in frame_windows(source, motion):
            if seen != window:
                whole = whole.pad(whole.around.padding_for(window_sides(window)))
                picture, seen = torch.from_numpy(whole.view_window(window[:2], window[2:])).permute(2, 0, 1), window
            pictures.append(picture)
        still = all(one is pictures[0] for one in pictures)
        motion = yield pictures[0].expand(len(pictures), -1, -1, -1) if still else torch.stack(pictures)
