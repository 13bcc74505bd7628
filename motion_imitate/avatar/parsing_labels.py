"""Correct the parsing network's labels: limbs on the wrong side, small islands."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from motion_imitate.avatar.parsing_net import LAYER_NAMES, encode_body_parts
from motion_imitate.bodies.parts import PART_NUMBERS

SMALL_ISLAND = 16  # pixels of the crop: smaller regions of a label become the next likely label
ENCLOSED_ISLAND = 120  # the same for regions that one other label encloses
CLEAR_LIMB = 0.8  # share of a region's limb pixels in the body raster that decides whether it is left or right
LIMB_GROUPS_OF_LAYERS = {"arm": ("upperarm", "forearm", "hand"), "leg": ("thigh", "shin", "foot")}


def remove_background(probabilities: Float[Tensor, "K h w"], where: Bool[Tensor, "h w"]) -> Float[Tensor, "K h w"]:
    """The same probabilities, with background ruled out in a mask."""
    cleaned = probabilities.clone()
    cleaned[0] *= ~where
    return cleaned / cleaned.sum(0).clamp(min=1e-6)


def labelled_regions(mask: Bool[Tensor, "h w"]) -> list[Bool[Tensor, "h w"]]:
    """The connected regions of a mask, neighbours by an edge or a corner."""
    count, regions = cv2.connectedComponents(mask.to(torch.uint8).numpy(), connectivity=8)
    return [torch.from_numpy(np.equal(regions, k)) for k in range(1, count)]


def remove_small_islands(
    probabilities: Float[Tensor, "K h w"], enclosed: tuple[int, ...] = ()
) -> Float[Tensor, "K h w"]:
    """Small regions, other than a label's largest, become what is next likely there. Background stays.

    Regions of the labels `enclosed` that one label of the person surrounds become that label, up to a larger size.
    """
    cleaned, labels = probabilities.clone(), probabilities.argmax(0)
    for label in range(1, len(probabilities)):
        regions = sorted(labelled_regions(labels == label), key=lambda region: int(region.sum()))
        for region in regions[:-1]:
            area, around = int(region.sum()), surrounding_label(labels, region)
            if around and label in enclosed and area < ENCLOSED_ISLAND:
                cleaned[around, region] += cleaned[label, region]
                cleaned[label, region] = 0
            elif area < SMALL_ISLAND:
                cleaned[label, region] = 0
    return cleaned / cleaned.sum(0).clamp(min=1e-6)


def surrounding_label(labels: Int[Tensor, "h w"], region: Bool[Tensor, "h w"]) -> int:
    """The only label next to a region, or 0 if there are several."""
    grown = F.max_pool2d(region.float()[None], 3, 1, 1)[0] > 0
    around = labels[grown & ~region].unique()
    return int(around[0]) if len(around) == 1 else 0


def correct_limb_sides(
    layer: Float[Tensor, "8 h w"], body_code: UInt8[Tensor, "h w"], clear: float = CLEAR_LIMB
) -> Float[Tensor, "8 h w"]:
    """Swap left and right in each region of an arm or leg where the body raster clearly shows the other side.

    A region is left alone if the raster shows no such limb in at least a third of it.
    """
    corrected, labels = layer.clone(), layer.argmax(0)
    for limb, groups in LIMB_GROUPS_OF_LAYERS.items():
        pair = [LAYER_NAMES.index(f"{limb}_{side}") for side in ("left", "right")]
        masks = [torch.isin(body_code, limb_codes(groups, side)) for side in (0, 1)]
        for side, label in enumerate(pair):
            for region in labelled_regions(labels == label):
                own, other = (int((masks[k] & region).sum()) for k in (side, 1 - side))
                if 3 * (own + other) >= int(region.sum()) and other > clear * (own + other):
                    corrected[pair, :] = torch.where(region, layer[pair[::-1]], corrected[pair])
    return corrected


def limb_codes(groups: tuple[str, ...], side: int) -> UInt8[Tensor, " n"]:
    """The body codes of limbs of the left (0) or right (1) side."""
    parts = torch.tensor([half[side] for group in groups for half in PART_NUMBERS[group]])
    return encode_body_parts(parts)
