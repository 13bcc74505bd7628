"""Build the plates of a moving camera: one per keyframe, filled from its neighbours."""

from itertools import pairwise

import numpy as np

from motion_imitate.background.align import (
    Bytes,
    Floats,
    Homography,
    ImageFeatures,
    estimate_homography,
    scale_homography,
    shift_homography,
    warp_by_homography,
)
from motion_imitate.background.belongings import inner_area
from motion_imitate.background.plate_making import (
    Flags,
    Plate,
    PlateKeyframe,
    PlateSettings,
    belongings_cover,
    colour_gain,
    edge_width,
    fit_size_within,
    inpaint_missing,
    mask_window,
    median_shown,
    shrink_picture,
)


def build_moving_plates(
    keys: list[PlateKeyframe], hidden: list[Bytes], wide: list[Bytes], found: list[ImageFeatures], how: PlateSettings
) -> list[Plate]:
    """Remove the person from each keyframe using its neighbours.

    Pixels that none shows are inpainted once, in the middle keyframe, and propagated outwards.
    """
    steps = [estimate_homography(b, a, how.aligning) for a, b in pairwise(found)]  # from keyframe k + 1 to k
    filled = [fill_from_keyframes(k, keys, hidden, wide, found, steps, how) for k in range(len(keys))]
    plates = [picture for picture, _ in filled]
    mid = len(keys) // 2
    for k in sorted(range(len(keys)), key=lambda k: abs(k - mid)):
        missing = filled[k][1]
        inner = k + (k < mid) - (k > mid)
        back = chain_homographies(inner, k, steps)
        if inner != k and back is not None and missing.any():
            size = plates[k].shape[:2]
            there = warp_by_homography(np.full(size, 255, np.uint8), back, size) == 255
            plates[k] = np.where((missing & there)[..., None], warp_by_homography(plates[inner], back, size), plates[k])
            missing = missing & ~there
        plates[k] = inpaint_missing(plates[k], missing)
    edge = ~inner_area(plates[0].shape[:2], edge_width(plates[0].shape))
    return [(picture, missing | edge) for picture, (_, missing) in zip(plates, filled, strict=True)]


def chain_homographies(j: int, k: int, steps: list[Homography | None]) -> Homography | None:
    """Homography from pixels of keyframe k to those of keyframe j, chained over those in between; None if a link is
    missing."""
    plane: Homography = np.eye(3)
    for step in range(min(j, k), max(j, k)):
        link = steps[step]
        if link is None:
            return None
        plane = plane @ link
    return plane if j < k else np.asarray(np.linalg.inv(plane), np.float64)


def fill_from_keyframes(
    k: int,
    keys: list[PlateKeyframe],
    hidden: list[Bytes],
    wide: list[Bytes],
    found: list[ImageFeatures],
    steps: list[Homography | None],
    how: PlateSettings,
) -> tuple[Bytes, Flags]:
    """Fill keyframe k from other keyframes where the person or their belongings are. Returns the picture and the pixels
    that none shows."""
    out, wanted = keys[k].picture.copy(), wide[k] > 0
    window = mask_window(wanted)
    inside = wanted[window]
    pictures, gains = [], []
    shown: list[Bytes] = []
    far: list[Bytes] = []
    order = sorted(range(len(keys)), key=lambda j: abs(j - k))[1:] if inside.any() else []
    for j in [*order[: 2 * how.near], *order[2 * how.near :: 4]]:
        plane = estimate_homography(found[k], found[j], how.aligning) if abs(j - k) <= how.near else None
        plane = chain_homographies(j, k, steps) if plane is None else plane
        if plane is None:
            continue
        into = plane @ shift_homography(window[1].start, window[0].start)
        size = (inside.shape[0], inside.shape[1])
        pictures.append(warp_by_homography(keys[j].picture, into, size))
        for masks, hides in ((shown, hidden[j]), (far, wide[j])):
            masks.append(255 * (warp_by_homography(255 - hides, into, size) == 255).astype(np.uint8))
        gains.append(keyframe_gain(keys[j], keys[k], hidden[j], hidden[k], plane, how))
        if (np.sum(far, 0) // 255)[inside].min() >= how.enough:
            break
    count = np.zeros(inside.shape, np.int32)
    if pictures:
        masks = [np.stack(far), np.stack(shown)]
        count = median_shown(np.stack(pictures), masks, np.stack(gains), inside, how.enough, out[window])
    missing = wanted.copy()
    missing[window] &= count == 0
    known = wanted & ~missing
    belongs = belongings_cover(keys[k].picture, out.astype(np.float32), known, hidden[k], None, how)
    kept = (hidden[k] == 0) & (belongs == 0)
    out[kept] = keys[k].picture[kept]
    return out, missing & ~kept


def keyframe_gain(
    one: PlateKeyframe, like: PlateKeyframe, hides: Bytes, hidden: Bytes, plane: Homography, how: PlateSettings
) -> Floats:
    """Gain that matches keyframe `one` to the brightness of `like`; `plane` maps pixels of `like` to those of `one`."""
    size = fit_size_within(like.picture.shape[:2], how.light)
    part = (size[1] / like.picture.shape[1], size[0] / like.picture.shape[0])
    back = scale_homography(plane, part, part)
    free = np.minimum(
        warp_by_homography(255 - shrink_picture(hides, size), back, size), 255 - shrink_picture(hidden, size)
    )
    return colour_gain(
        warp_by_homography(shrink_picture(one.picture, size), back, size), shrink_picture(like.picture, size), free, how
    )
