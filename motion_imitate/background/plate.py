"""What a video shows without the person: what they hide now was seen before, or will be."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.background.align import Bytes, Floats, Marks, Plane, aligned, laid, marks, resizing, scaled, shifted
from motion_imitate.background.fill import behind, spread
from motion_imitate.background.plate_making import (
    Plating,
    Window,
    box,
    kept,
    moving_plates,
    shrunk,
    smaller,
    stands,
    still_plate,
    veil,
)
from motion_imitate.estimators.matte import in_picture
from motion_imitate.types import Frames, Sighting

ROUGH = 360  # pixels of the longer side at which a frame is filled by itself


def masks_of(seen: Sighting, size: tuple[int, int], longest: int = 480) -> UInt8[Tensor, "T h w"]:
    """The person's masks over whole frames of `size`, though smaller; nothing where they are not seen."""
    small = smaller(size, longest)
    rows = [in_picture(seen[t : t + 1], small) * 255 * bool(seen.score[t] > 0) for t in range(len(seen))]
    return torch.from_numpy(np.stack(rows).astype(np.uint8))


def plate(samples: Iterable[tuple[Frames, Tensor]], how: Plating = Plating()) -> "Plate":
    """From the frames of a clip, all or some, and masks [T, h, w] of the person in each, which may be smaller.

    A few of the frames are held; a camera that moves far is followed better in pieces of half a minute.
    """
    keys = kept(samples, how.keys)
    if not keys:
        raise ValueError("no frames came to make a plate of; give at least one")
    hidden = [veil(key.mask, key.picture.shape[:2], how, how.wary) for key in keys]
    found = [marks(key.picture, hides, how.aligning) for key, hides in zip(keys, hidden, strict=True)]
    if stands(keys, hidden, found, how):
        return Plate((still_plate(keys, hidden, how),), None, (keys[0].second,), how)
    return Plate(tuple(moving_plates(keys, hidden, found, how)), tuple(found), tuple(k.second for k in keys), how)


@dataclass(frozen=True)
class Plate:
    """Pictures without the person, by their seconds; one alone, without marks, where the camera stands."""

    pictures: tuple[Bytes, ...]
    found: tuple[Marks, ...] | None
    seconds: tuple[float, ...]
    how: Plating

    def behind(self, frames: Frames, masks: UInt8[Tensor, "T h w"]) -> tuple[Frames, Float[Tensor, " T"]]:
        """The frames without the person, and how well the plate fits each: 1 well; 0 not at all.

        What is outside the person, with a margin that fades, stays as it is. A frame that no plate fits is filled
        from its own surroundings.
        """
        out = frames.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        rows = zip(out, masks, frames.seconds.tolist(), strict=True)
        fits = [self.erase(picture.numpy(), mask.numpy(), second) for picture, mask, second in rows]
        return Frames(out.permute(0, 3, 1, 2), frames.seconds), torch.tensor(fits)

    def erase(self, picture: Bytes, mask: Bytes, second: float) -> float:
        """In the picture itself."""
        cover = veil(mask, picture.shape[:2], self.how)
        window = box(cover > 0)
        if not cover.any():
            return 1.0
        looks = list(self.looks(picture, cover, second))
        shade, smooth, fit = lit(picture, cover, looks, self.how)
        if fit > 0:
            size = (window[0].stop - window[0].start, window[1].stop - window[1].start)
            seen, there = mixed([look.within(window) for look in looks], size)
            new = seen + enlarged(shade, picture, window)
            if not there.all():
                new = np.where(there[..., None] > 0, new, enlarged(smooth, picture, window))
        else:
            new = rough(picture, cover)[window]
        part = cover[window][..., None] * np.float32(1 / 255)
        old = picture[window]
        picture[window] = np.where(part > 0, (old + (new - old) * part + 0.5).clip(0, 255), old)
        return fit

    def looks(self, picture: Bytes, cover: Bytes, second: float) -> Iterator["Look"]:
        """The plates of the frames before and after, and where they lie under the picture."""
        if self.found is None:
            yield Look(self.pictures[0], np.eye(3), 1.0)
            return
        after = min(bisect_right(self.seconds, second), len(self.seconds) - 1)
        before = max(0, after - 1)
        span = self.seconds[after] - self.seconds[before]
        late = min(1.0, max(0.0, (second - self.seconds[before]) / span)) if span > 0 else 0.0
        own = marks(picture, cover, self.how.aligning)
        for k, weight in {before: 1.0 - late, after: late}.items() if before < after else {after: 1.0}.items():
            plane = aligned(own, self.found[k], self.how.aligning)
            if plane is not None:
                yield Look(self.pictures[k], plane, max(weight, 1e-3))


@dataclass(frozen=True)
class Look:
    """A plate, and how pixels of what is shown lie in it."""

    picture: Bytes
    plane: Plane
    weight: float

    def within(self, window: Window) -> "Look":
        return replace(self, plane=self.plane @ shifted(window[1].start, window[0].start))

    def smaller(self, size: tuple[int, int]) -> "Look":
        height, width = self.picture.shape[:2]
        part = (size[1] / width, size[0] / height)
        return Look(shrunk(self.picture, size), scaled(self.plane, part, part), self.weight)


def mixed(looks: list[Look], size: tuple[int, int]) -> tuple[Floats, Floats]:
    """What the plates show, and where they show anything."""
    colour, total = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    for look in looks:
        there = laid(np.full(look.picture.shape[:2], 255, np.uint8), look.plane, size) == 255
        part = there * np.float32(look.weight)
        colour += laid(look.picture, look.plane, size) * part[..., None]
        total += part
    return np.asarray(colour / np.maximum(total, 1e-6)[..., None], np.float32), total


def lit(picture: Bytes, cover: Bytes, looks: list[Look], how: Plating) -> tuple[Floats, Floats, float]:
    """At a small size: what to add to the plates for the light of the picture, running on from round the person;
    what is round the person, spread under them; and how well the plates fit."""
    size = smaller(picture.shape[:2], how.light)
    own, free = shrunk(picture, size).astype(np.float32), shrunk(cover, size) == 0
    seen, total = mixed([look.smaller(size) for look in looks], size)
    known = free & (total > 0)
    if known.sum() < 20:
        return np.zeros_like(own), own, 0.0
    differ = own - seen
    off = np.abs(differ - np.median(differ[known], 0)).max(-1) / 255
    trust = known / (1 + np.square(off / how.differs))
    rows, columns = box(~free)
    reach = how.round * max(rows.stop - rows.start, columns.stop - columns.start)
    near = known & (cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, 3) <= max(2.0, reach))
    fit = 1 - float(off[near].mean() if near.any() else off[known].mean()) / how.holds
    shade = under(differ, trust.astype(np.float32))
    smooth = under(np.where(free[..., None], own, seen + shade), (free | (total > 0)).astype(np.float32))
    return shade, smooth, max(0.0, fit)


def under(image: Floats, known: Floats) -> Floats:
    whole = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    return np.ascontiguousarray(spread(whole, torch.from_numpy(known)[None, None])[0].permute(1, 2, 0).numpy())


def enlarged(small: Floats, picture: Bytes, window: Window) -> Floats:
    """A window of what is small, at the size of the picture."""
    rows, columns = window
    grow = resizing(small.shape[1] / picture.shape[1], small.shape[0] / picture.shape[0])
    plane = grow @ shifted(columns.start, rows.start)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(small, plane[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def rough(picture: Bytes, cover: Bytes) -> Floats:
    """The picture filled from its own surroundings, at a small size."""
    size = smaller(picture.shape[:2], ROUGH)
    image = torch.from_numpy(shrunk(picture, size)).permute(2, 0, 1)[None] / 255
    hidden = torch.from_numpy((shrunk(cover, size) > 0).astype(np.float32))[None, None]
    filled = behind(image, hidden)[0].permute(1, 2, 0).numpy() * 255
    return np.asarray(cv2.resize(filled, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)
