"""Build the plates of a video: a single one if the camera is still, otherwise one per keyframe."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.background.align import (
    AlignSettings,
    Bytes,
    Floats,
    ImageFeatures,
    estimate_homography,
    homography_displacement,
)
from motion_imitate.background.belongings import BelongingSettings, find_belongings, inner_area, resize_flags
from motion_imitate.background.fill import diffuse_colours, inpaint_hidden
from motion_imitate.background.plate_numba import masked_median
from motion_imitate.types import Frames

Flags = NDArray[np.bool_]
PixelWindow = tuple[slice, slice]
Plate = tuple[Bytes, Flags]  # a picture without the person, and where no frame shows it surely
THIN_RATIO = 20  # an area is thin if its half-width is at most 1/20 of its window's longer side
EDGE_PART = 0.01  # of the longer side
ROWS_PER_CHUNK = 64  # rows per chunk, to limit memory


@dataclass(frozen=True)
class PlateSettings:
    """Settings of plates. Lengths are fractions of the person's longer side."""

    keys: int = 48  # maximum number of keyframes, evenly spaced over the clip
    sure: int = 40  # of 255; masks above it are the person
    margin: float = 0.025  # around the person, replaced as well
    soft: float = 0.015  # fade beyond the margin
    wary: float = 0.03  # further margin that is not used as background
    enough: int = 7  # keyframes per pixel, if the camera moves
    rare: float = 0.06  # part of the keyframes that must show a pixel, if the camera is still: a mask may lack a limb
    near: int = 4  # keyframes up to this far apart are aligned directly
    still: float = 0.8  # maximum displacement of a still camera, in pixels per 1000
    plain: float = 3.0  # of 255; a scene with few features is still if it changes less than this
    light: int = 160  # longer side, in pixels, at which brightness is matched
    differs: float = 0.05  # colour difference that lighting alone does not explain
    round: float = 0.15  # area around the person in which the fit is measured
    holds: float = 0.06  # mean difference in that area at which the fit is 0
    aligning: AlignSettings = field(default_factory=AlignSettings)
    belongings: BelongingSettings = field(default_factory=BelongingSettings)


@dataclass(frozen=True)
class PlateKeyframe:
    """A frame that is kept to build plates from."""

    second: float
    picture: Bytes  # [H, W, 3]
    mask: Bytes  # [h, w], may be smaller


def select_plate_keyframes(samples: Iterable[tuple[Frames, Tensor]], most: int) -> list[PlateKeyframe]:
    """Keep evenly spaced frames, at most `most`; the total number need not be known in advance."""
    keys: list[PlateKeyframe] = []
    every, count = 1, 0
    for frames, masks in samples:
        for t in range(len(frames)):
            if count % every == 0:
                picture = np.ascontiguousarray(frames.data[t].permute(1, 2, 0).numpy())
                keys.append(PlateKeyframe(float(frames.seconds[t]), picture.copy(), masks[t].numpy().copy()))
            count += 1
            if len(keys) > most:
                keys, every = keys[::2], 2 * every
    return keys


def soft_person_mask(mask: Bytes, size: tuple[int, int], how: PlateSettings, more: float = 0.0) -> Bytes:
    """255 on the person plus a margin, fading to 0, at (height, width). `more` is added to the margin."""
    person = mask > how.sure
    rows, columns = mask_window(person)
    side = max(rows.stop - rows.start, columns.stop - columns.start)
    if not side:
        return np.zeros(size, np.uint8)
    away = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 5)
    soft = max(1.0, how.soft * side)
    fades = ((how.margin + more) * side + 1 + soft - away) / soft
    return np.asarray(
        cv2.resize((fades.clip(0, 1) * 255).astype(np.uint8), size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8
    )


def colour_gain(picture: Bytes, like: Bytes, shown: Bytes, how: PlateSettings) -> Floats:
    """Per-channel factor that matches the picture's brightness to that of `like`, where `shown` is 255."""
    size = fit_size_within(picture.shape[:2], how.light)
    one, other = (cv2.resize(p, size[::-1], interpolation=cv2.INTER_AREA) + np.float32(4) for p in (picture, like))
    both = cv2.resize(shown, size[::-1], interpolation=cv2.INTER_AREA) == 255
    if both.sum() < 20:
        return np.ones(3, np.float32)
    return np.asarray(np.median(other[both] / one[both], 0), np.float32)


def shrink_picture(picture: Bytes, size: tuple[int, int]) -> Bytes:
    """Resize to (height, width) by area averaging."""
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def fit_size_within(size: tuple[int, ...], longest: int) -> tuple[int, int]:
    """(height, width) scaled down so that the longer side is at most `longest`."""
    scale = min(1.0, longest / max(size))
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))


def camera_is_still(
    keys: list[PlateKeyframe], hidden: list[Bytes], found: list[ImageFeatures], how: PlateSettings
) -> bool:
    """Whether the camera is still.

    Judged by feature displacement; if few frames align, by how much the background changes between keyframes.
    """
    mid = len(keys) // 2
    planes = [estimate_homography(found[mid], other, how.aligning) for k, other in enumerate(found) if k != mid]
    moves = [homography_displacement(plane, found[mid]) for plane in planes if plane is not None]
    if 2 * len(moves) >= len(planes):
        return len(moves) == 0 or bool(np.median(moves) < how.still * max(keys[0].picture.shape) / 1000)
    size = fit_size_within(keys[0].picture.shape[:2], how.light)
    small = [shrink_picture(key.picture, size).astype(np.float32) for key in keys]
    free = np.min([shrink_picture(255 - h, size) for h in hidden], 0) == 255
    steps = [np.abs(a - b)[free].mean() for a, b in pairwise(small) if free.any()]
    return len(steps) > 0 and float(np.median(steps)) < how.plain


def build_still_plate(keys: list[PlateKeyframe], hidden: list[Bytes], wide: list[Bytes], how: PlateSettings) -> Plate:
    """Median of each pixel over the keyframes that show it far from the person, or else beside them; inpainted where
    none shows it."""
    mid = len(keys) // 2
    out = keys[mid].picture.copy()
    free, far = ([255 * (h == 0).astype(np.uint8) for h in masks] for masks in (hidden, wide))
    wanted = np.max(wide, 0) > 0
    gains = [colour_gain(k.picture, out, np.minimum(f, free[mid]), how) for k, f in zip(keys, free, strict=True)]
    count = np.zeros(wanted.shape, np.int32)
    least = ceil(how.rare * len(keys))
    for top in range(0, len(out), ROWS_PER_CHUNK):
        rows = slice(top, top + ROWS_PER_CHUNK)
        part = np.stack([key.picture[rows] for key in keys])
        shown = [np.stack([f[rows] for f in masks]) for masks in (far, free)]
        count[rows] = median_shown(part, shown, np.stack(gains), wanted[rows], len(keys), out[rows], least)
    missing = wanted & (count < least)
    return inpaint_missing(out, missing), missing | ~inner_area(wanted.shape, edge_width(wanted.shape))


def median_shown(
    pictures: Bytes, shown: Sequence[Bytes], gains: Floats, wanted: Flags, most: int, out: Bytes, least: int = 1
) -> NDArray[np.int32]:
    """`masked_median` with each of the masks [K, H, W] in turn, a later one where fewer than `least` pictures show
    something. Returns the number of pictures used."""
    count = np.zeros(wanted.shape, np.int32)
    for masks in shown:
        masked_median(pictures, masks, gains, wanted & (count < least), most, out, count)
    return count


def inpaint_missing(picture: Bytes, missing: Flags) -> Bytes:
    """Inpaint missing pixels; smoothly if the missing area is thin."""
    if not missing.any():
        return picture
    window = grow_window(mask_window(missing), missing.shape)
    image = torch.from_numpy(picture[window]).permute(2, 0, 1)[None] / 255
    hidden = torch.from_numpy(missing[window])[None, None].float()
    thick = float(cv2.distanceTransform(missing[window].astype(np.uint8), cv2.DIST_L2, 3).max())
    filled = (
        inpaint_hidden(image, hidden)
        if thick * THIN_RATIO > max(image.shape[2:])
        else diffuse_colours(image, 1 - hidden)
    )
    out = picture.copy()
    out[window] = (filled[0] * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return out


def grow_window(window: PixelWindow, shape: tuple[int, ...]) -> PixelWindow:
    """The window extended by its longer side in every direction, within the image."""
    more = max(side.stop - side.start for side in window)
    rows, columns = (slice(max(0, w.start - more), min(n, w.stop + more)) for w, n in zip(window, shape, strict=True))
    return rows, columns


def edge_width(size: tuple[int, ...]) -> int:
    """Pixels at a picture's edges that may be bars, whose difference says nothing."""
    return max(1, round(EDGE_PART * max(size)))


def belongings_cover(
    picture: Bytes, plate: Floats, known: Flags, cover: Bytes, others: Bytes | None, how: PlateSettings
) -> Bytes:
    """From 0 to 255, at the size of the picture, where the belongings are of the person under `cover`.

    `plate` and `known` may be smaller; `others` are other people's masks.
    """
    size = fit_size_within(picture.shape[:2], how.belongings.side)
    small, bare = (
        np.asarray(cv2.resize(each, size[::-1], interpolation=cv2.INTER_AREA), np.float32) for each in (picture, plate)
    )
    there = resize_flags(255 * known.astype(np.uint8), size, 254)
    person = resize_flags(cover, size, 127)
    stay = np.zeros(size, np.bool_) if others is None else resize_flags(others, size, how.sure)
    found = find_belongings(small, bare, there, person, stay, how.belongings)
    return np.asarray(cv2.resize((found * 255).astype(np.uint8), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def mask_window(where: Flags) -> PixelWindow:
    """Rows and columns of the bounding box of the set pixels; empty if there are none."""
    rows, columns = (np.flatnonzero(where.any(axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
