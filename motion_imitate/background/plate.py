"""Clean plate of a video: remove the person using frames in which the pixels behind them are visible."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.background.align import (
    Bytes,
    Floats,
    Homography,
    ImageFeatures,
    estimate_homography,
    find_image_features,
    resize_homography,
    scale_homography,
    shift_homography,
    warp_by_homography,
)
from motion_imitate.background.belongings import resize_flags
from motion_imitate.background.fill import diffuse_colours, inpaint_hidden
from motion_imitate.background.plate_making import (
    Flags,
    PixelWindow,
    Plate,
    PlateSettings,
    belongings_cover,
    build_still_plate,
    camera_is_still,
    fit_size_within,
    mask_window,
    select_plate_keyframes,
    shrink_picture,
    soft_person_mask,
)
from motion_imitate.background.plate_moving import build_moving_plates
from motion_imitate.estimators.matte import warp_mask_to_image
from motion_imitate.types import Frames, Sighting

FALLBACK_SIDE = 360  # longer side, in pixels, at which a frame is inpainted without a plate


def full_frame_masks(seen: Sighting, size: tuple[int, int], longest: int = 480) -> UInt8[Tensor, "T h w"]:
    """The person's masks over full frames of `size`, scaled down to `longest` pixels; empty where they are not seen."""
    small = fit_size_within(size, longest)
    rows = [warp_mask_to_image(seen[t : t + 1], small) * 255 * bool(seen.score[t] > 0) for t in range(len(seen))]
    return torch.from_numpy(np.stack(rows).astype(np.uint8))


def build_clean_plate(samples: Iterable[tuple[Frames, Tensor]], how: PlateSettings = PlateSettings()) -> "CleanPlate":
    """Build a plate from frames of a clip and masks [T, h, w] of the person, which may be smaller.

    Keeps at most `how.keys` frames in memory. If the camera moves far, pieces of half a minute give better plates.
    """
    keys = select_plate_keyframes(samples, how.keys)
    if not keys:
        raise ValueError("no frames to build a plate from; give at least one")
    hidden = [soft_person_mask(key.mask, key.picture.shape[:2], how, how.wary) for key in keys]
    wide = [soft_person_mask(key.mask, key.picture.shape[:2], how, how.belongings.around) for key in keys]
    found = [find_image_features(key.picture, hides, how.aligning) for key, hides in zip(keys, hidden, strict=True)]
    if camera_is_still(keys, hidden, found, how):
        return CleanPlate((build_still_plate(keys, hidden, wide, how),), None, (keys[0].second,), how)
    plates = build_moving_plates(keys, hidden, wide, found, how)
    return CleanPlate(tuple(plates), tuple(found), tuple(k.second for k in keys), how)


@dataclass(frozen=True)
class CleanPlate:
    """Pictures without the person, with their times in seconds; a single one, without features, if the camera is
    still."""

    plates: tuple[Plate, ...]
    found: tuple[ImageFeatures, ...] | None
    seconds: tuple[float, ...]
    how: PlateSettings

    def remove_person(
        self, frames: Frames, masks: UInt8[Tensor, "T h w"], others: UInt8[Tensor, "T h w"] | None = None
    ) -> tuple[Frames, Float[Tensor, " T"]]:
        """Remove the person with their belongings, but not `others`.

        Returns the frames, and how well the plate fits each, from 0 to 1.

        Pixels outside both, and a margin that fades, are unchanged. Frames that no plate fits are inpainted from
        their own surroundings.
        """
        out = frames.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        stay = torch.zeros_like(masks) if others is None else others
        rows = zip(out, masks, stay, frames.seconds.tolist(), strict=True)
        fits = [self.erase_person(frame.numpy(), mask.numpy(), other.numpy(), t) for frame, mask, other, t in rows]
        return Frames(out.permute(0, 3, 1, 2), frames.seconds), torch.tensor(fits)

    def erase_person(self, picture: Bytes, mask: Bytes, others: Bytes, second: float) -> float:
        """Remove the person from one picture, in place, and return how well the plate fits."""
        cover = soft_person_mask(mask, picture.shape[:2], self.how)
        if not cover.any():
            return 1.0
        stay = soft_person_mask(others, picture.shape[:2], self.how)
        looks = list(self.aligned_layers(picture, np.maximum(cover, stay), second))
        shade, smooth, fit = match_lighting(picture, np.maximum(cover, stay), looks, self.how)
        if fit > 0:
            cover = np.maximum(cover, self.find_belongings(picture, cover, others, looks, shade))
            shade, smooth, _ = match_lighting(picture, np.maximum(cover, stay), looks, self.how)
        window = mask_window(cover > 0)
        if fit > 0:
            size = (window[0].stop - window[0].start, window[1].stop - window[1].start)
            seen, there = blend_layers([look.shift_to_window(window) for look in looks], size)
            new = seen + enlarge_to_window(shade, picture, window)
            if not there.all():
                new = np.where(there[..., None] > 0, new, enlarge_to_window(smooth, picture, window))
        else:
            new = inpaint_frame(picture, np.maximum(cover, stay))[window]
        part = cover[window][..., None] * np.float32(1 / 255)
        old = picture[window]
        picture[window] = np.where(part > 0, (old + (new - old) * part + 0.5).clip(0, 255), old)
        return fit

    def find_belongings(
        self, picture: Bytes, cover: Bytes, others: Bytes, looks: list["PlateLayer"], shade: Floats
    ) -> Bytes:
        """From 0 to 255, where the person's belongings are in a picture."""
        size = fit_size_within(picture.shape[:2], self.how.belongings.side)
        small = [look.scale_down(size) for look in looks]
        seen, total = blend_layers(small, size)
        known = (total > 0) & ~np.any([look.warp_missing(size) for look in small], 0)
        plate = seen + cv2.resize(shade, size[::-1], interpolation=cv2.INTER_LINEAR)
        return belongings_cover(picture, np.asarray(plate, np.float32), known, cover, others, self.how)

    def aligned_layers(self, picture: Bytes, cover: Bytes, second: float) -> Iterator["PlateLayer"]:
        """The plates before and after this time, aligned to the picture."""
        if self.found is None:
            yield PlateLayer(*self.plates[0], np.eye(3), 1.0)
            return
        after = min(bisect_right(self.seconds, second), len(self.seconds) - 1)
        before = max(0, after - 1)
        span = self.seconds[after] - self.seconds[before]
        late = min(1.0, max(0.0, (second - self.seconds[before]) / span)) if span > 0 else 0.0
        own = find_image_features(picture, cover, self.how.aligning)
        for k, weight in {before: 1.0 - late, after: late}.items() if before < after else {after: 1.0}.items():
            plane = estimate_homography(own, self.found[k], self.how.aligning)
            if plane is not None:
                yield PlateLayer(*self.plates[k], plane, max(weight, 1e-3))


@dataclass(frozen=True)
class PlateLayer:
    """A plate, and the homography from pixels of the target frame to its own."""

    picture: Bytes
    missing: Flags  # where it is inpainted
    plane: Homography
    weight: float

    def shift_to_window(self, window: PixelWindow) -> "PlateLayer":
        """The layer relative to a window of the target frame."""
        return replace(self, plane=self.plane @ shift_homography(window[1].start, window[0].start))

    def scale_down(self, size: tuple[int, int]) -> "PlateLayer":
        """The layer for a plate and a target frame scaled down to `size`."""
        height, width = self.picture.shape[:2]
        part = (size[1] / width, size[0] / height)
        plane = scale_homography(self.plane, part, part)
        return PlateLayer(
            shrink_picture(self.picture, size),
            resize_flags(255 * self.missing.astype(np.uint8), size, 0),
            plane,
            self.weight,
        )

    def warp_missing(self, size: tuple[int, int]) -> Flags:
        """Where it is inpainted, in the target frame."""
        return warp_by_homography(255 * self.missing.astype(np.uint8), self.plane, size) > 0


def blend_layers(looks: list[PlateLayer], size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Blend the layers by weight. Returns the colours and the total weight, 0 where no layer has data."""
    colour, total = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    for look in looks:
        there = warp_by_homography(np.full(look.picture.shape[:2], 255, np.uint8), look.plane, size) == 255
        part = there * np.float32(look.weight)
        colour += warp_by_homography(look.picture, look.plane, size) * part[..., None]
        total += part
    return np.asarray(colour / np.maximum(total, 1e-6)[..., None], np.float32), total


def match_lighting(
    picture: Bytes, cover: Bytes, looks: list[PlateLayer], how: PlateSettings
) -> tuple[Floats, Floats, float]:
    """Match the plates' lighting to the picture. Returns, at a small size:

    - what to add to the plates, extended under the person;
    - the picture, with its surroundings extended under the person;
    - how well the plates fit, from 0 to 1.
    """
    size = fit_size_within(picture.shape[:2], how.light)
    own, free = shrink_picture(picture, size).astype(np.float32), shrink_picture(cover, size) == 0
    seen, total = blend_layers([look.scale_down(size) for look in looks], size)
    known = free & (total > 0)
    if known.sum() < 20:
        return np.zeros_like(own), own, 0.0
    differ = own - seen
    off = np.abs(differ - np.median(differ[known], 0)).max(-1) / 255
    trust = known / np.square(1 + np.square(off / how.differs))
    rows, columns = mask_window(~free)
    reach = how.round * max(rows.stop - rows.start, columns.stop - columns.start)
    near = known & (cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, 3) <= max(2.0, reach))
    fit = 1 - float(off[near].mean() if near.any() else off[known].mean()) / how.holds
    shade = diffuse_array(differ, trust.astype(np.float32))
    smooth = diffuse_array(np.where(free[..., None], own, seen + shade), (free | (total > 0)).astype(np.float32))
    return shade, smooth, max(0.0, fit)


def diffuse_array(image: Floats, known: Floats) -> Floats:
    """`diffuse_colours` for an array [H, W, C]."""
    whole = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    return np.ascontiguousarray(diffuse_colours(whole, torch.from_numpy(known)[None, None])[0].permute(1, 2, 0).numpy())


def enlarge_to_window(small: Floats, picture: Bytes, window: PixelWindow) -> Floats:
    """Upsample `small` to the picture's size, and return a window of it."""
    rows, columns = window
    grow = resize_homography(small.shape[1] / picture.shape[1], small.shape[0] / picture.shape[0])
    plane = grow @ shift_homography(columns.start, rows.start)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(small, plane[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def inpaint_frame(picture: Bytes, cover: Bytes) -> Floats:
    """Inpaint the picture from its own surroundings, at a reduced size."""
    size = fit_size_within(picture.shape[:2], FALLBACK_SIDE)
    image = torch.from_numpy(shrink_picture(picture, size)).permute(2, 0, 1)[None] / 255
    hidden = torch.from_numpy((shrink_picture(cover, size) > 0).astype(np.float32))[None, None]
    filled = inpaint_hidden(image, hidden)[0].permute(1, 2, 0).numpy() * 255
    return np.asarray(cv2.resize(filled, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)
