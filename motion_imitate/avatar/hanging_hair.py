"""Hair that hangs before arms and trunk in the photo: its strands are told by their colour, and when the person turns,
the trunk's sides show cloth instead."""

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch

from motion_imitate.avatar.layer_texture import find_sleeve_tops
from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    distance_to_edge,
    grow_mask,
    mask_box,
    smoothstep,
    spread_colours,
    spread_labels,
)
from motion_imitate.avatar.parse_photo import ParsedPhoto
from motion_imitate.avatar.parsing_net import LAYER_NAMES
from motion_imitate.avatar.photo_layers import HAIR, LABEL_ALPHA, ONE_PIECE, TRUNK, UPPER, PhotoLayers

ARMS = tuple(map(LAYER_NAMES.index, ("arm_left", "arm_right")))
MORE_THAN_HALF = 0.5  # of a label's score
STRAND_REACH = 0.03  # of the height from hair, within which arms may show strands
STRAND_ALIKE = 0.7  # share of another distance of colours
CORE_DEPTH = 0.004  # of the height from its edge: hair that is not mixed with what is beside it
LEAST_CORE = 50  # pixels, to know a colour
SIDE_SHARE = (0.62, 0.74)  # of the trunk's half width: from the front to the side
COVER_MARGIN = 0.006  # of the height: strands around hair


def claim_strands(parsed: ParsedPhoto, image: Plane, alpha: Plane, unit: float) -> ParsedPhoto:
    """Give hair that hangs before arms its kind, which the network takes for sleeves; it is told by its colour."""
    sure = alpha > LABEL_ALPHA
    hair = (parsed.kind[HAIR].numpy() > MORE_THAN_HALF) & sure
    arms = (parsed.layer[list(ARMS)].sum(0).numpy() > MORE_THAN_HALF) & sure & ~hair
    if not arms[mask_box(hair, STRAND_REACH * unit)].any():
        return parsed
    apart = -distance_to_edge(hair)
    core, plain = apart < -CORE_DEPTH * unit, arms & (apart > STRAND_REACH * unit)
    zone = arms & (apart < STRAND_REACH * unit)
    if core.sum() < LEAST_CORE or plain.sum() < LEAST_CORE or not zone.any():
        return parsed
    box = mask_box(zone, STRAND_REACH * unit)
    shown = image[box]
    from_hair, from_arm = (np.linalg.norm(shown - spread_colours(shown, m[box]), axis=-1) for m in (core, plain))
    alike = zone.copy()
    alike[box] &= from_hair < STRAND_ALIKE * from_arm
    _, pieces = cv2.connectedComponents(alike.astype(np.uint8), connectivity=8)
    strands = alike & np.isin(pieces, np.unique(pieces[alike & grow_mask(hair, 2.0)]))
    kinds = parsed.kind.clone()
    kinds[:, torch.from_numpy(strands)] = 0
    kinds[HAIR, torch.from_numpy(strands)] = 1
    return replace(parsed, kind=kinds)


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
    share = blur_plane(hair, CORE_DEPTH / 2 * layers.unit)[..., None]
    return np.asarray(colours + (spread_colours(colours, known) - colours) * share, np.float32)


def uncover_sides(layers: PhotoLayers, sides: Plane) -> PhotoLayers:
    """The layers with cloth where hair hangs before the trunk's sides."""
    cloth = layers.seen(TRUNK) & np.isin(layers.kind, (UPPER, ONE_PIECE))
    behind = (sides > 0.5) & (layers.kind == HAIR)
    if not behind.any():
        return layers
    return replace(layers, kind=np.where(behind, spread_labels(layers.kind, cloth), layers.kind))
