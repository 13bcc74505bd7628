"""Colours at the outlines of arms, legs and skirts that are not their cloth's: straps, shadows between the legs, the
background beside them. Seen from the side, these few pixels would be as wide as the layer is deep."""

import cv2
import numpy as np

from motion_imitate.avatar.layer_texture import DEEPEST_FOLD, fold_coordinates, read_pixels
from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    blur_within,
    colour_distance,
    distance_to_edge,
    ellipse_kernel,
    smoothstep,
    spread_colours,
)
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import LABEL_ALPHA, PhotoLayers

SHOES = KIND_NAMES.index("shoes")
RIM_DEPTH = 0.02  # of the height
RIM_SHARE = 0.4  # of half the layer's width, at most
PATTERN_QUANTILE = 0.9  # of how unlike colours inwards are to those around them
CONTRAST = (0.12, 0.2)  # of colours to those inwards, beyond that of the pattern: from alike to unlike
STRIPE_ROWS = 0.6  # share of a layer's rows, from which on a side of other colour is a stripe along it
STRIPE_SPREAD = 0.08  # of its colours
LEAST_CORE = 200  # pixels
SOFT_EDGE = 0.0015  # of the height around what is replaced


def clean_layer_rim(colours: Plane, layers: PhotoLayers, alpha: Plane, layer: int) -> Plane | None:
    """The colours of a layer, of this alpha, with those that only its rim has replaced by those that lie inwards; None
    if there are none."""
    depth = distance_to_edge(layers.seen(layer) & (alpha > 0.5))
    wide = min(RIM_DEPTH * layers.unit, RIM_SHARE * float(depth.max()))
    cloth = layers.seen(layer) & (layers.kind != SHOES)
    core = cloth & (depth > wide) & (layers.alpha > LABEL_ALPHA)
    if core.sum() < LEAST_CORE:
        return None
    y = np.arange(len(core))[:, None]
    hidden = layers.hidden(layer) & (y <= np.nonzero(core.any(1))[0][-1])
    rim = (cloth | hidden) & (alpha > 0) & (depth <= wide)
    unlike = find_unlike(colours, core, wide) * rim
    unlike *= ~find_stripes(unlike > 0.5, core, colours)
    return replace_unlike(colours, unlike, core, layers.unit)


def find_unlike(colours: Plane, core: Mask, reach: float, contrast: tuple[float, float] = CONTRAST) -> Plane:
    """How far colours are unlike those of the core nearby, and outside its pattern; 0 to 1."""
    around = blur_within(colours, core, reach)
    pattern = np.quantile(colour_distance(colours, around)[core], PATTERN_QUANTILE)
    usual = spread_colours(around, core)
    return smoothstep(colour_distance(colours, usual) - pattern, *contrast)


def replace_unlike(colours: Plane, unlike: Plane, core: Mask, unit: float) -> Plane | None:
    """The colours with those of the core, reflected, where they are unlike it; None if they are nowhere."""
    if not unlike.any():
        return None
    share = blur_plane(cv2.dilate(unlike, ellipse_kernel(SOFT_EDGE * unit)), SOFT_EDGE * unit) * ~core
    laid = read_pixels(colours, fold_coordinates(core, share > 0, DEEPEST_FOLD * unit))
    return np.asarray(colours + (laid - colours) * share[..., None], np.float32)


def find_stripes(other: Mask, core: Mask, colours: Plane) -> Mask:
    """The sides where what is of another colour has one colour along most of the layer."""
    rows = core.any(1)
    x = np.arange(core.shape[1])
    middle = (core * x).sum(1, keepdims=True) / np.maximum(core.sum(1, keepdims=True), 1)
    found = np.zeros_like(core)
    for side in (x < middle, x >= middle):
        mine = other & side
        if mine.any(1)[rows].mean() > STRIPE_ROWS and colours[mine].std(0).max() < STRIPE_SPREAD:
            found |= side
    return found
