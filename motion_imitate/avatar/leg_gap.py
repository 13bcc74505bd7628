"""Background between the legs that matte and parsing take for the person: a strip of a few pixels."""

import cv2
import numpy as np

from motion_imitate.avatar.masks import (
    Labels,
    Mask,
    Plane,
    blur_plane,
    distance_to_edge,
    grow_mask,
    mask_box,
    spread_colours,
)
from motion_imitate.avatar.photo_layers import LEG_LAYERS

GAP_REACH = 0.015  # of the height: how far from both legs' layers the strip may lie
CORE_DEPTH = 0.006  # of the height inside a leg, from which on its colours are its own
LEAST_UNLIKE = 25.0  # Lab distance from the legs' colours
LIKE_BACKGROUND = 0.7  # of that, at most, from the background's
LEAST_GAP = 4e-5  # of the squared height


def find_leg_gap(image: Plane, alpha: Plane, owner: Labels, unit: float) -> Plane:
    """The share of each pixel that is background between the legs, 0 to 1."""
    gap, legs = np.zeros_like(alpha), np.isin(owner, LEG_LAYERS)
    if legs.any():
        box = mask_box(legs, 3 * GAP_REACH * unit)
        gap[box] = find_gap_beside_legs(image[box], alpha[box], owner[box], unit)
    return gap


def find_gap_beside_legs(image: Plane, alpha: Plane, owner: Labels, unit: float) -> Plane:
    """`find_leg_gap` in the part of a photo that shows the legs."""
    legs = [owner == layer for layer in LEG_LAYERS]
    between = grow_mask(legs[0], GAP_REACH * unit) & grow_mask(legs[1], GAP_REACH * unit) & (legs[0] | legs[1])
    behind, core = alpha < 0.02, legs_core(legs, between, unit)
    if not between.any() or not behind.any() or not core.any():
        return np.zeros_like(alpha)
    own, other, seen = (
        to_lab(colours) for colours in (spread_colours(image, core), spread_colours(image, behind), image)
    )
    to_own, to_other = (np.linalg.norm(seen - colours, axis=-1) for colours in (own, other))
    sure = between & (to_own > LEAST_UNLIKE) & (to_other < LIKE_BACKGROUND * to_own)
    maybe = between & (to_own > LEAST_UNLIKE / 2) & (to_other < 1.4 * LIKE_BACKGROUND * to_own)
    count, pieces = cv2.connectedComponents((sure | maybe).astype(np.uint8), connectivity=8)
    large = [piece for piece in range(1, count) if (sure & (pieces == piece)).sum() > LEAST_GAP * unit**2]
    return blur_plane(grow_mask(np.isin(pieces, large), 1.0), 0.7)


def legs_core(legs: list[Mask], between: Mask, unit: float) -> Mask:
    """Where the legs' colours are surely their own."""
    deep = [distance_to_edge(leg & ~between) > CORE_DEPTH * unit for leg in legs]
    return np.asarray(deep[0] | deep[1])


def to_lab(colours: Plane) -> Plane:
    """CIE Lab of an image in [0, 1]."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(colours, np.float32), cv2.COLOR_RGB2LAB), np.float32)
