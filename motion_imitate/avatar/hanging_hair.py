"""Hair that hangs before arms and trunk in the photo: when the person turns, the trunk's sides show cloth instead."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from motion_imitate.avatar.layer_rim import find_unlike
from motion_imitate.avatar.layer_texture import find_sleeve_tops
from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    blur_within,
    distance_to_edge,
    grow_mask,
    smoothstep,
    spread_colours,
    spread_labels,
)
from motion_imitate.avatar.photo_layers import HAIR, LABEL_ALPHA, ONE_PIECE, TRUNK, UPPER, PhotoLayers

CORE_DEPTH = 0.004  # of the height around hair, in which it is mixed with what is beside it
LEAST_CORE = 50  # pixels, to know a colour
SIDE_SHARE = (0.62, 0.74)  # of the trunk's half width: from the front to the side
SHADE_REACH = 0.025  # of the height around hair, in which it changes the colours of cloth
SHADE_CONTRAST = (0.0, 0.05)  # of these to the colours farther away, beyond their pattern's
OUTER_RIM = 0.002  # of the height around the person, whose colours are mixed with the background's
LIT_RADIUS = 0.03  # of the height: what is lighter than the cloth around it is lit
MOST_GAIN = 1.5  # of the light on cloth beside hair
COVER_MARGIN = 0.006  # of the height: strands around hair


class HairBeforeTrunk(NamedTuple):
    """What hair hides of the trunk's cloth."""

    sides: Plane  # where it hangs before the sides, below the shoulders; 0 to 1
    beyond: Mask  # what arms hide, to which hair is nearer than any cloth that is seen


def find_hair_before_trunk(image: Plane, layers: PhotoLayers, top: float) -> HairBeforeTrunk:
    """What hair hides of the trunk; `top` is the row of the shoulders."""
    trunk = layers.region[TRUNK]
    y = np.arange(len(trunk), dtype=np.float64)[:, None]
    hair = layers.seen(TRUNK) & (layers.kind == HAIR)
    if not (hair & (y > top)).any():
        return HairBeforeTrunk(np.zeros(trunk.shape, np.float32), np.zeros_like(trunk))
    cloth = layers.seen(TRUNK) & (layers.kind != HAIR)
    beyond = layers.hidden(TRUNK) & ~find_sleeve_tops(image, layers)
    beyond &= distance_to_edge(hair) > distance_to_edge(cloth)
    below = smoothstep(y, top - COVER_MARGIN * layers.unit, top + COVER_MARGIN * layers.unit)
    half = np.maximum(trunk.sum(1, keepdims=True) / 2, 1)
    side = smoothstep(1 - distance_to_edge(trunk) / half, *SIDE_SHARE)
    covered = blur_plane(grow_mask(hair, COVER_MARGIN * layers.unit), COVER_MARGIN * layers.unit / 3)
    return HairBeforeTrunk(np.asarray(side * covered * below, np.float32), beyond)


def remove_hair(colours: Plane, alpha: Plane, layers: PhotoLayers, layer: int) -> Plane | None:
    """The colours of an arm, of this alpha, without the hair that lies on its shoulder; None if none does."""
    hair = grow_mask((layers.seen(TRUNK) | layers.seen(layer)) & (layers.kind == HAIR), CORE_DEPTH * layers.unit)
    known = layers.seen(layer) & (layers.alpha > LABEL_ALPHA) & ~hair
    if not (hair & (alpha > 0)).any() or known.sum() < LEAST_CORE:
        return None
    deep = distance_to_edge(layers.alpha > LABEL_ALPHA) > OUTER_RIM * layers.unit
    shade = find_hair_shade(colours, known, hair, np.asarray(known & deep), layers.unit)
    known &= shade < 0.5
    lit = spread_colours(colours, find_lit_cloth(colours, known, LIT_RADIUS * layers.unit))
    share = blur_plane(np.maximum(hair, shade), CORE_DEPTH / 2 * layers.unit)[..., None]
    evened = lighten_beside(colours, lit, known, -distance_to_edge(hair), layers.unit)
    return np.asarray(evened + (lit - evened) * share, np.float32)


def find_lit_cloth(colours: Plane, cloth: Mask, radius: float) -> Mask:
    """Cloth that is not darker than the cloth around it: the rest lies in its own shade or that of hair."""
    light = colours.mean(-1)
    return np.asarray(cloth & (light >= blur_within(light, cloth, radius)))


def lighten_beside(colours: Plane, lit: Plane, cloth: Mask, apart: Plane, unit: float) -> Plane:
    """The colours of cloth that is seen, as light as lit cloth where hair is near."""
    radius = CORE_DEPTH * unit
    gain = np.clip(blur_plane(lit, radius) / np.maximum(blur_within(colours, cloth, radius), 1e-3), 1, MOST_GAIN)
    near = 1 - smoothstep(apart, 0.0, 2 * SHADE_REACH * unit)
    return np.asarray(colours * (1 + (gain - 1) * (near * cloth)[..., None]), np.float32)


def find_hair_shade(image: Plane, cloth: Mask, hair: Mask, clear: Mask, unit: float) -> Plane:
    """Where cloth beside hair is unlike what is `clear` of it, more than by its pattern: hair darkens it, or is seen
    between strands; 0 to 1."""
    apart = -distance_to_edge(hair)
    core = clear & (apart > SHADE_REACH * unit)
    if core.sum() < LEAST_CORE:
        return np.zeros(cloth.shape, np.float32)
    unlike = find_unlike(image, core, SHADE_REACH * unit, SHADE_CONTRAST)
    near = 1 - smoothstep(apart, 0.7 * SHADE_REACH * unit, SHADE_REACH * unit)
    return np.asarray(cloth * unlike * near, np.float32)


def uncover_sides(layers: PhotoLayers, sides: Plane) -> PhotoLayers:
    """The layers with cloth where hair hangs before the trunk's sides."""
    cloth = layers.seen(TRUNK) & np.isin(layers.kind, (UPPER, ONE_PIECE))
    behind = (sides > 0.5) & (layers.kind == HAIR)
    if not behind.any():
        return layers
    return replace(layers, kind=np.where(behind, spread_labels(layers.kind, cloth), layers.kind))
