"""Parse a photo: crop the person, run the network, correct its labels and bring them to the photo's resolution."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.masks import Plane
from motion_imitate.avatar.parsing_crop import (
    CropWindow,
    crop_labels,
    crop_to_window,
    fit_crop_window,
    mark_inside_photo,
    repeat_photo_border,
    uncrop_window,
)
from motion_imitate.avatar.parsing_labels import correct_limb_sides, remove_background, remove_small_islands
from motion_imitate.avatar.parsing_net import (
    KIND_NAMES,
    LAYER_NAMES,
    PARSING_SIZE,
    ParsingInput,
    ParsingNet,
    encode_body_parts,
)

FAINT_VALUE = 0.02  # maps that are nowhere above it have no edges to move
ENCLOSED_LAYERS = tuple(map(LAYER_NAMES.index, ("trunk", "leg_left", "leg_right", "skirt")))  # not arms: hands
ENCLOSED_KINDS = tuple(map(KIND_NAMES.index, ("upper", "lower", "one_piece", "shoes", "carried")))  # not skin: hands
CERTAIN_MATTE = 0.9  # of the matte, above which a pixel of the body is the person
BODY_EROSION = 2  # pixels of the crop by which the fitted body may be wrong


def refine_edges(
    values: Float[Tensor, "C H W"], photo: Float[Tensor, "3 H W"], radius: int, contrast: float = 1e-4
) -> Float[Tensor, "C H W"]:
    """Guided filter: moves edges of the values to edges of the photo."""
    guide = photo.mean(0).numpy()
    middle = box_means(guide, radius)
    spread = box_means(guide * guide, radius) - middle * middle + np.float32(contrast)
    refined = np.empty(values.shape, np.float32)
    for plane, out in zip(values.numpy(), refined, strict=True):  # one at a time: a plane stays in the cache
        if plane.max() < FAINT_VALUE:
            out[:] = plane
            continue
        level = box_means(plane, radius)
        slope = (box_means(guide * plane, radius) - middle * level) / spread
        np.multiply(box_means(slope, radius), guide, out=out)
        out += box_means(level - slope * middle, radius)
    return torch.from_numpy(refined)


def box_means(plane: NDArray[np.floating], radius: int) -> Plane:
    """Means over squares around each pixel, in constant time for any radius."""
    return np.asarray(cv2.blur(plane, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REPLICATE), np.float32)


@dataclass(frozen=True)
class ParsedPhoto:
    """Probabilities at the photo's resolution; those of layers sum to 1, and those of kinds."""

    layer: Float[Tensor, "8 H W"]
    kind: Float[Tensor, "9 H W"]
    alpha: Float[Tensor, "1 H W"]


@torch.no_grad()
def parse_photo(
    net: ParsingNet,
    photo: Float[Tensor, "3 H W"],
    parts: UInt8[Tensor, "H W"],
    depth: UInt8[Tensor, "H W"],
    box: tuple[float, float, float, float],
    matte: Float[Tensor, "1 H W"] | None = None,
) -> ParsedPhoto:
    """Parse the person of a photo. `parts` and `depth`: the raster of the fitted bare body, at the photo's size."""
    photo_size = (photo.shape[1], photo.shape[2])
    window = fit_crop_window(box)
    inputs = crop_parsing_input(photo, parts, depth, window, matte)
    layer, kind, alpha = clean_parsing(net, inputs)
    maps = repeat_photo_border(torch.cat([layer, kind, alpha]), inputs.inside[0, 0] > 0)
    covered = torch.ones_like(maps[:1])
    large = uncrop_window(torch.cat([maps, covered]), window, photo_size)
    large, covered = large[:-1], large[-1:]
    beyond = (1 - covered).clamp(min=0)
    large[[0, len(LAYER_NAMES)]] += beyond
    radius = max(1, round(1.5 * window.height / PARSING_SIZE[0]))
    large = refine_edges(large, photo, radius).clamp(0, 1) if radius > 1 else large.clamp(0, 1)
    layer, kind, alpha = large.split([len(LAYER_NAMES), len(KIND_NAMES), 1])
    return ParsedPhoto(layer / layer.sum(0).clamp(min=1e-6), kind / kind.sum(0).clamp(min=1e-6), alpha)


def clean_parsing(
    net: ParsingNet, inputs: ParsingInput
) -> tuple[Float[Tensor, "8 h w"], Float[Tensor, "9 h w"], Float[Tensor, "1 h w"]]:
    """Layer, kind and alpha of one crop, corrected: limbs on the body raster's side, no small islands, no holes where
    matte and body agree."""
    logits = net.parse(inputs)
    layer, kind, alpha = logits.layer[0].softmax(0), logits.kind[0].softmax(0), logits.alpha[0].sigmoid()
    if bool(inputs.has_body[0]):
        layer = correct_limb_sides(layer, inputs.body_code[0])
        certain = certain_person(inputs)
        alpha = torch.where(certain, torch.maximum(alpha, inputs.matte[0]), alpha)
        layer, kind = (remove_background(values, certain) for values in (layer, kind))
    return remove_small_islands(layer, ENCLOSED_LAYERS), remove_small_islands(kind, ENCLOSED_KINDS), alpha


def certain_person(inputs: ParsingInput) -> Bool[Tensor, "h w"]:
    """Where the matte shows the person and the body raster, eroded against errors of the fit, too."""
    body = -F.max_pool2d(-(inputs.body_code[:1] > 0).float(), 2 * BODY_EROSION + 1, 1, BODY_EROSION)[0]
    return (body > 0) & (inputs.matte[0, 0] * inputs.has_matte[0] > CERTAIN_MATTE)


def crop_parsing_input(
    photo: Float[Tensor, "3 H W"],
    parts: UInt8[Tensor, "H W"],
    depth: UInt8[Tensor, "H W"],
    window: CropWindow,
    matte: Float[Tensor, "1 H W"] | None = None,
) -> ParsingInput:
    """The network's input for a window of a photo, a batch of one."""
    inside = mark_inside_photo(window, (photo.shape[1], photo.shape[2]))
    codes = crop_labels(torch.stack([encode_body_parts(parts), depth]), window)
    alpha = torch.zeros_like(inside) if matte is None else crop_to_window(matte, window) * inside
    return ParsingInput(
        colour=crop_to_window(photo, window)[None],
        inside=inside[None],
        body_code=codes[:1],
        depth=codes[1:],
        has_body=torch.ones(1),
        matte=alpha[None],
        has_matte=torch.tensor([float(matte is not None)]),
    )


def find_person_box(
    parts: UInt8[Tensor, "H W"], matte: Float[Tensor, "1 H W"] | None = None
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in pixels, of the bare body and the matte."""
    person = parts > 0 if matte is None else (parts > 0) | (matte[0] > 0.5)
    if not bool(person.any()):
        raise ValueError(f"the photo of {parts.shape[1]}x{parts.shape[0]} pixels shows no body; fit one first")
    rows, columns = (line.nonzero()[:, 0] for line in (person.any(1), person.any(0)))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
