"""Where the network takes hair for sleeves, or a hat for hair: told by the colours."""

from dataclasses import replace

import cv2
import numpy as np
import torch

from motion_imitate.avatar.masks import Labels, Mask, Plane, distance_to_edge, grow_mask, mask_box, spread_colours
from motion_imitate.avatar.parse_photo import ParsedPhoto
from motion_imitate.avatar.parsing_net import LAYER_NAMES
from motion_imitate.avatar.photo_layers import FACE, HAIR, LABEL_ALPHA, SKIN

ARMS = tuple(map(LAYER_NAMES.index, ("arm_left", "arm_right")))
MORE_THAN_HALF = 0.5  # of a label's score
STRAND_REACH = 0.03  # of the height from hair, within which arms may show strands
HAT_REACH = 0.04  # of the height from a hat, within which it may be taken for hair
CORE_DEPTH = 0.004  # of the height from its edge: what is not mixed with what is beside it
LEAST_CORE = 50  # pixels, to know a colour
ALIKE = 0.7  # share of another distance of colours


def correct_hair(parsed: ParsedPhoto, image: Plane, alpha: Plane, unit: float) -> ParsedPhoto:
    """The parsing with the kind of hair for strands before arms, and with a hat's for all of it."""
    kind = np.where(alpha > LABEL_ALPHA, parsed.kind.numpy().argmax(0), 0)
    hair = np.asarray(kind == HAIR)
    if not hair.any():
        return parsed
    arms = (parsed.layer[list(ARMS)].sum(0).numpy() > MORE_THAN_HALF) & (kind > 0) & ~hair
    kinds = parsed.kind.clone()
    label_pixels(kinds, claim_pixels(image, arms, hair, STRAND_REACH * unit, CORE_DEPTH * unit), HAIR)
    hat = find_hat(kind)
    if hat.any():
        worn = int(np.bincount(kind[hat]).argmax())
        label_pixels(kinds, claim_pixels(image, hair, hat, HAT_REACH * unit, CORE_DEPTH * unit), worn)
    return replace(parsed, kind=kinds)


def find_hat(kind: Labels) -> Mask:
    """What is worn above a face."""
    rows, columns = np.nonzero(kind == FACE)
    hat = np.zeros(kind.shape, bool)
    if len(rows):
        above = slice(0, int(np.median(rows))), slice(columns.min(), columns.max() + 1)
        hat[above] = ~np.isin(kind[above], (0, HAIR, FACE, SKIN))
    return hat


def claim_pixels(image: Plane, given: Mask, wanted: Mask, reach: float, rim: float) -> Mask:
    """Pixels of the given mask, within a reach of the wanted one and connected with it, that rather have the colours
    there than those of the given farther away."""
    none = np.zeros_like(given)
    if not given[mask_box(wanted, reach)].any():
        return none
    apart = -distance_to_edge(wanted)
    core, plain, zone = apart < -rim, given & (apart > reach), given & (apart < reach)
    if core.sum() < LEAST_CORE or plain.sum() < LEAST_CORE or not zone.any():
        return none
    box = mask_box(zone, reach)
    shown = image[box]
    to_wanted, to_given = (np.linalg.norm(shown - spread_colours(shown, m[box]), axis=-1) for m in (core, plain))
    alike = zone.copy()
    alike[box] &= to_wanted < ALIKE * to_given
    _, pieces = cv2.connectedComponents(alike.astype(np.uint8), connectivity=8)
    return np.asarray(alike & np.isin(pieces, np.unique(pieces[alike & grow_mask(wanted, 2.0)])))


def label_pixels(scores: torch.Tensor, where: Mask, label: int) -> None:
    """Give pixels a label, in place."""
    chosen = torch.from_numpy(where)
    scores[:, chosen] = 0
    scores[label, chosen] = 1
