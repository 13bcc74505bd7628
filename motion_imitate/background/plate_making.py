"""The plates of a video: one where the camera stands, otherwise one for each of the frames that are kept."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.background.align import (
    Aligning,
    Bytes,
    Floats,
    Marks,
    Plane,
    aligned,
    laid,
    scaled,
    shifted,
    strays,
)
from motion_imitate.background.fill import behind, spread
from motion_imitate.background.plate_numba import middle
from motion_imitate.types import Frames

Flags = NDArray[np.bool_]
Window = tuple[slice, slice]
THIN = 20  # times that what is thin goes into the surroundings it is made from
BAND = 64  # rows that are stacked at a time


@dataclass(frozen=True)
class Plating:
    """Lengths are parts of the person's longer side."""

    keys: int = 48  # frames that are kept, spread evenly over the clip
    sure: int = 40  # of 255; a mask above that is the person
    margin: float = 0.025  # round the person, that is replaced too
    soft: float = 0.015  # more, over which it fades
    wary: float = 0.03  # more, that is not trusted to show the background
    enough: int = 7  # looks at a pixel, where the camera moves
    near: int = 4  # keys that are laid over one another directly
    still: float = 0.8  # pixels of 1000 that a still camera may stray
    plain: float = 3.0  # of 255; a plain scene that changes less than that stands still
    light: int = 160  # pixels of the longer side at which light is matched
    differs: float = 0.05  # a difference of colour that is not only of light
    round: float = 0.15  # round the person, where it is judged whether the plate fits
    holds: float = 0.06  # mean difference round the person at which the plate no longer holds
    aligning: Aligning = field(default_factory=Aligning)


@dataclass(frozen=True)
class Key:
    """A frame that is kept."""

    second: float
    picture: Bytes  # [H, W, 3]
    mask: Bytes  # [h, w], as given


def kept(samples: Iterable[tuple[Frames, Tensor]], most: int) -> list[Key]:
    """Every so many frames, so few that there are at most `most`."""
    keys: list[Key] = []
    every, count = 1, 0
    for frames, masks in samples:
        for t in range(len(frames)):
            if count % every == 0:
                picture = np.ascontiguousarray(frames.data[t].permute(1, 2, 0).numpy())
                keys.append(Key(float(frames.seconds[t]), picture.copy(), masks[t].numpy().copy()))
            count += 1
            if len(keys) > most:
                keys, every = keys[::2], 2 * every
    return keys


def veil(mask: Bytes, size: tuple[int, int], how: Plating, more: float = 0.0) -> Bytes:
    """255 where the person and their margin are, fading to 0, at (height, width)."""
    person = mask > how.sure
    rows, columns = box(person)
    side = max(rows.stop - rows.start, columns.stop - columns.start)
    if not side:
        return np.zeros(size, np.uint8)
    away = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 5)
    soft = max(1.0, how.soft * side)
    fades = ((how.margin + more) * side + 1 + soft - away) / soft
    return np.asarray(
        cv2.resize((fades.clip(0, 1) * 255).astype(np.uint8), size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8
    )


def gain(picture: Bytes, like: Bytes, shown: Bytes, how: Plating) -> Floats:
    """What to multiply a picture's colours by, to have the light of another that it lies over."""
    size = smaller(picture.shape[:2], how.light)
    one, other = (cv2.resize(p, size[::-1], interpolation=cv2.INTER_AREA) + np.float32(4) for p in (picture, like))
    both = cv2.resize(shown, size[::-1], interpolation=cv2.INTER_AREA) == 255
    if both.sum() < 20:
        return np.ones(3, np.float32)
    return np.asarray(np.median(other[both] / one[both], 0), np.float32)


def shrunk(picture: Bytes, size: tuple[int, int]) -> Bytes:
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def smaller(size: tuple[int, ...], longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(size))
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))


def stands(keys: list[Key], hidden: list[Bytes], found: list[Marks], how: Plating) -> bool:
    """Whether the camera does."""
    mid = len(keys) // 2
    planes = [aligned(found[mid], other, how.aligning) for k, other in enumerate(found) if k != mid]
    moves = [strays(plane, found[mid]) for plane in planes if plane is not None]
    if 2 * len(moves) >= len(planes):
        return len(moves) == 0 or bool(np.median(moves) < how.still * max(keys[0].picture.shape) / 1000)
    size = smaller(keys[0].picture.shape[:2], how.light)
    small = [shrunk(key.picture, size).astype(np.float32) for key in keys]
    free = np.min([shrunk(255 - h, size) for h in hidden], 0) == 255
    steps = [np.abs(a - b)[free].mean() for a, b in pairwise(small) if free.any()]
    return len(steps) > 0 and float(np.median(steps)) < how.plain


def still_plate(keys: list[Key], hidden: list[Bytes], how: Plating) -> Bytes:
    """The middle of all that was seen of each pixel; where nobody ever was, one frame's own."""
    mid = len(keys) // 2
    out = keys[mid].picture.copy()
    free = [255 * (h == 0).astype(np.uint8) for h in hidden]
    wanted = np.max(hidden, 0) > 0
    gains = [gain(k.picture, out, np.minimum(f, free[mid]), how) for k, f in zip(keys, free, strict=True)]
    count = np.zeros(wanted.shape, np.int32)
    for top in range(0, len(out), BAND):
        rows = slice(top, top + BAND)
        seen = np.stack([key.picture[rows] for key in keys]), np.stack([f[rows] for f in free])
        middle(*seen, np.stack(gains), wanted[rows], len(keys), out[rows], count[rows])
    return made_up(out, wanted & (count == 0))


def made_up(picture: Bytes, missing: Flags) -> Bytes:
    """The picture with what is missing made from its surroundings; smooth where it is thin."""
    if not missing.any():
        return picture
    window = grown(box(missing), missing.shape)
    image = torch.from_numpy(picture[window]).permute(2, 0, 1)[None] / 255
    hidden = torch.from_numpy(missing[window])[None, None].float()
    thick = float(cv2.distanceTransform(missing[window].astype(np.uint8), cv2.DIST_L2, 3).max())
    filled = behind(image, hidden) if thick * THIN > max(image.shape[2:]) else spread(image, 1 - hidden)
    out = picture.copy()
    out[window] = (filled[0] * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return out


def grown(window: Window, shape: tuple[int, ...]) -> Window:
    """With as much again on every side."""
    more = max(side.stop - side.start for side in window)
    rows, columns = (slice(max(0, w.start - more), min(n, w.stop + more)) for w, n in zip(window, shape, strict=True))
    return rows, columns


def moving_plates(keys: list[Key], hidden: list[Bytes], found: list[Marks], how: Plating) -> list[Bytes]:
    """Each key without the person, by what the nearest others show; the rest made up once and handed on."""
    steps = [aligned(b, a, how.aligning) for a, b in pairwise(found)]  # from k + 1 to k
    filled = [seen_elsewhere(k, keys, hidden, found, steps, how) for k in range(len(keys))]
    plates = [picture for picture, _ in filled]
    mid = len(keys) // 2
    for k in sorted(range(len(keys)), key=lambda k: abs(k - mid)):
        missing = filled[k][1]
        inner = k + (k < mid) - (k > mid)
        back = between(inner, k, steps)
        if inner != k and back is not None and missing.any():
            size = plates[k].shape[:2]
            there = laid(np.full(size, 255, np.uint8), back, size) == 255
            plates[k] = np.where((missing & there)[..., None], laid(plates[inner], back, size), plates[k])
            missing = missing & ~there
        plates[k] = made_up(plates[k], missing)
    return plates


def between(j: int, k: int, steps: list[Plane | None]) -> Plane | None:
    """From pixels of key k to those of key j, over those in between."""
    plane: Plane = np.eye(3)
    for step in range(min(j, k), max(j, k)):
        link = steps[step]
        if link is None:
            return None
        plane = plane @ link
    return plane if j < k else np.asarray(np.linalg.inv(plane), np.float64)


def seen_elsewhere(
    k: int, keys: list[Key], hidden: list[Bytes], found: list[Marks], steps: list[Plane | None], how: Plating
) -> tuple[Bytes, Flags]:
    """Key k with what the others show where the person is, and where none shows anything."""
    out, wanted = keys[k].picture.copy(), hidden[k] > 0
    window = box(wanted)
    inside = wanted[window]
    pictures, shown, gains = [], [], []
    order = sorted(range(len(keys)), key=lambda j: abs(j - k))[1:] if inside.any() else []
    for j in [*order[: 2 * how.near], *order[2 * how.near :: 4]]:
        plane = aligned(found[k], found[j], how.aligning) if abs(j - k) <= how.near else None
        plane = between(j, k, steps) if plane is None else plane
        if plane is None:
            continue
        into = plane @ shifted(window[1].start, window[0].start)
        size = (inside.shape[0], inside.shape[1])
        pictures.append(laid(keys[j].picture, into, size))
        shown.append(255 * (laid(255 - hidden[j], into, size) == 255).astype(np.uint8))
        gains.append(light(keys[j], keys[k], hidden[j], hidden[k], plane, how))
        if (np.sum(shown, 0) // 255)[inside].min() >= how.enough:
            break
    count = np.zeros(inside.shape, np.int32)
    if pictures:
        middle(np.stack(pictures), np.stack(shown), np.stack(gains), inside, how.enough, out[window], count)
    missing = wanted.copy()
    missing[window] &= count == 0
    return out, missing


def box(where: Flags) -> Window:
    """The rows and columns that hold all that is set."""
    rows, columns = (np.flatnonzero(where.any(axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def light(one: Key, like: Key, hides: Bytes, hidden: Bytes, plane: Plane, how: Plating) -> Floats:
    """The gain that gives key `one` the light of another, whose pixels `plane` leads to it."""
    size = smaller(like.picture.shape[:2], how.light)
    part = (size[1] / like.picture.shape[1], size[0] / like.picture.shape[0])
    back = scaled(plane, part, part)
    free = np.minimum(laid(255 - shrunk(hides, size), back, size), 255 - shrunk(hidden, size))
    return gain(laid(shrunk(one.picture, size), back, size), shrunk(like.picture, size), free, how)
