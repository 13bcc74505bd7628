"""What belongs to the person beside their mask: shadow, hair and held things, which differ from the plate."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.background.align import Bytes, Floats
from motion_imitate.background.fill import diffuse_colours

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class BelongingSettings:
    """Settings of the search for belongings. Lengths are fractions of the person's longer side."""

    side: int = 400  # longer side, in pixels, at which frame and plate are compared
    around: float = 0.4  # area around the person that is not used as background while another frame shows it
    differs: float = 0.08  # colour difference of something else than the background
    darker: float = 0.08  # fraction of light that a shadow takes
    tint: float = 0.06  # difference of that fraction between colours: more is no shadow
    noise: float = 2.5  # thresholds grow by this times the background's own difference from the plate
    join: float = 0.012  # gap over which things are connected
    gap: float = 0.15  # the same for shadows, which lie apart from one who jumps
    slip: int = 2  # pixels by which the plate may be misaligned
    wide: float = 0.2  # radius in which that is measured
    most: float = 0.7  # larger things, in areas of the person, are the background's


def find_belongings(
    picture: Floats, plate: Floats, known: Flags, person: Flags, others: Flags, how: BelongingSettings
) -> Floats:
    """From 0 to 1, where the picture differs from the plate in one piece with the person.

    `known` is where the plate has data; `others` are other people, who stay.
    """
    rows, columns = (np.flatnonzero(person.any(axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros(person.shape, np.float32)
    side = float(max(np.ptp(rows), np.ptp(columns)) + 1)
    reach = max(1, round(how.join * side))
    known = erode(known, reach) & inner_area(known.shape, 2 * reach)
    stay = dilate(others, reach)
    thing, shadow = background_changes(picture, plate, known & ~stay, person, how, side)
    thing, shadow = (change & known & ~stay for change in (thing, shadow))
    mine = connected_pieces(thing | shadow, person, reach)
    solid = dilate(erode(shadow, reach), reach) & shadow
    mine |= connected_pieces(solid, mine | person, max(1, round(how.gap * side)))
    kept = fade_large_pieces(dilate(mine, 2 * reach), how.most * person.sum()) * ~stay
    return np.asarray(cv2.GaussianBlur(kept, (0, 0), 0.5 * reach + 0.5), np.float32)


def connected_pieces(pieces: Flags, person: Flags, reach: int) -> Flags:
    """The pieces that are at most `reach` pixels from the person, or from each other in a chain to them."""
    _, label = cv2.connectedComponents((dilate(pieces, max(1, reach // 2)) | person).astype(np.uint8), connectivity=4)
    near = np.unique(label[dilate(person, reach - reach // 2) & (label > 0)])
    return np.asarray(np.isin(label, near) & pieces & ~person)


def background_changes(
    picture: Floats, plate: Floats, known: Flags, person: Flags, how: BelongingSettings, side: float
) -> tuple[Flags, Flags]:
    """Where the picture differs from the plate, and where it is the plate in shadow."""
    own, bare = (cv2.GaussianBlur(image, (0, 0), 0.7) for image in (picture, plate))
    square = np.ones((2 * how.slip + 1, 2 * how.slip + 1), np.uint8)
    low, high = cv2.erode(bare, square), cv2.dilate(bare, square)
    differ = np.maximum(np.maximum(low - own, own - high), 0).max(-1) / 255
    lost = 1 - (own + 12) / (bare + 12)
    dark = np.where(own.mean(-1) < low.mean(-1), (1 - (own + 12) / (low + 12)).mean(-1), 0)
    away = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 3)
    noise = how.noise * surrounding_median(differ, known & (away > 0.5 * how.wide * side), how.wide * side)
    shadow = (dark > how.darker + 2 * noise) & (np.ptp(lost, axis=-1) < how.tint + 0.3 * dark) & (dark < 0.85)
    return np.asarray(differ > how.differs + noise), np.asarray(shadow)


def surrounding_median(values: Floats, known: Flags, radius: float) -> Floats:
    """Local median of the known values, continued where none is known."""
    if not known.any():
        return np.zeros_like(values)
    weight = torch.from_numpy(known.astype(np.float32))[None, None]
    whole = diffuse_colours(torch.from_numpy(values.astype(np.float32))[None, None], weight)[0, 0].numpy()
    small = cv2.resize((whole * 255 + 0.5).astype(np.uint8), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    middle = cv2.medianBlur(small, 2 * min(127, max(1, round(radius / 2))) + 1)
    return np.asarray(cv2.resize(middle, values.shape[::-1]) / np.float32(255), np.float32)


def fade_large_pieces(pieces: Flags, most: float) -> Floats:
    """1 in pieces of up to `most` pixels, fading to 0 in those half as large again."""
    _, label, stats, _ = cv2.connectedComponentsWithStats(pieces.astype(np.uint8), connectivity=8)
    strength = np.clip(3 - 2 * stats[:, cv2.CC_STAT_AREA] / max(most, 1.0), 0, 1).astype(np.float32)
    strength[0] = 0
    return np.asarray(strength[label], np.float32)


def inner_area(size: tuple[int, ...], edge: int) -> Flags:
    """All pixels but those near the picture's edge: bars and stabilization make them differ."""
    inner = np.zeros(size, np.bool_)
    inner[edge:-edge, edge:-edge] = True
    return inner


def erode(mask: Flags, reach: int) -> Flags:
    """The mask shrunk by `reach` pixels, not at the picture's edge."""
    return ~dilate(~mask, reach)


def dilate(mask: Flags, reach: int) -> Flags:
    """The mask grown by `reach` pixels."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0)


def resize_flags(mask: Bytes, size: tuple[int, int], least: int) -> Flags:
    """Where a mask of bytes, resized to (height, width), exceeds `least`."""
    return np.asarray(cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA) > least)
