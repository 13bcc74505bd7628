"""Parse a photo: crop the person, run the network, correct its labels and bring them to the photo's resolution."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.masks import Plane
from motion_imitate.avatar.parsing_net import (
    KIND_NAMES,
    LAYER_NAMES,
    PARSING_SIZE,
    ParsingInput,
    ParsingNet,
    encode_body_parts,
)
from motion_imitate.bodies.parts import PART_NUMBERS

FAINT_VALUE = 0.02  # maps that are nowhere above it have no edges to move
SMALL_ISLAND = 16  # pixels of the crop: smaller regions of a label become the next likely label
ENCLOSED_ISLAND = 120  # the same for regions that one other label encloses
ENCLOSED_LAYERS = tuple(map(LAYER_NAMES.index, ("trunk", "leg_left", "leg_right", "skirt")))  # not arms: hands
ENCLOSED_KINDS = tuple(map(KIND_NAMES.index, ("upper", "lower", "one_piece", "shoes", "carried")))  # not skin: hands
CERTAIN_MATTE = 0.9  # of the matte, above which a pixel of the body is the person
BODY_EROSION = 2  # pixels of the crop by which the fitted body may be wrong
CLEAR_LIMB = 0.8  # share of a region's limb pixels in the body raster that decides whether it is left or right
LIMB_GROUPS_OF_LAYERS = {"arm": ("upperarm", "forearm", "hand"), "leg": ("thigh", "shin", "foot")}


@dataclass(frozen=True)
class CropWindow:
    """A rectangle of a photo, in pixels; it may extend beyond the photo."""

    left: float
    top: float
    width: float
    height: float


def fit_crop_window(
    box: tuple[float, float, float, float], size: tuple[int, int] = PARSING_SIZE, fill: float = 0.9
) -> CropWindow:
    """The window, of the crop's aspect ratio, in which a box (left, top, right, bottom) takes up a share `fill`."""
    left, top, right, bottom = box
    high = max((bottom - top) / fill, (right - left) / fill * size[0] / size[1])
    wide = high * size[1] / size[0]
    return CropWindow((left + right - wide) / 2, (top + bottom - high) / 2, wide, high)


def crop_to_window(
    image: Float[Tensor, "C H W"], window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> Float[Tensor, "C h w"]:
    """The window, resized with antialiasing; the border is repeated outside the image."""
    height, width = image.shape[1:]
    shrink = window.height / size[0]
    if shrink > 1.5:
        small = (max(1, round(height / shrink * 1.2)), max(1, round(width / shrink * 1.2)))
        image = F.interpolate(image[None], small, mode="bilinear", antialias=True, align_corners=False)[0]
    x, y = window_coordinates(window, size)
    grid = torch.stack(torch.meshgrid(x / width * 2 - 1, y / height * 2 - 1, indexing="xy"), -1)[None].to(image)
    return F.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]


def window_coordinates(
    window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> tuple[Float[Tensor, " w"], Float[Tensor, " h"]]:
    """x and y, in the photo's pixels, of the centres of a crop's columns and rows."""
    x = window.left + window.width * (torch.arange(size[1]) + 0.5) / size[1]
    y = window.top + window.height * (torch.arange(size[0]) + 0.5) / size[0]
    return x, y


def mark_inside_photo(
    window: CropWindow, photo_size: tuple[int, int], size: tuple[int, int] = PARSING_SIZE
) -> Float[Tensor, "1 h w"]:
    """1 where the crop shows the photo, 0 outside it."""
    x, y = window_coordinates(window, size)
    rows, columns = (y >= 0) & (y < photo_size[0]), (x >= 0) & (x < photo_size[1])
    return (rows[:, None] & columns).float()[None]


def uncrop_window(
    crop: Float[Tensor, "C h w"], window: CropWindow, photo_size: tuple[int, int]
) -> Float[Tensor, "C H W"]:
    """The crop at its place in an image of the photo's size, zero outside the window."""
    x = ((torch.arange(photo_size[1]) + 0.5 - window.left) / window.width) * 2 - 1
    y = ((torch.arange(photo_size[0]) + 0.5 - window.top) / window.height) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None].to(crop)
    return F.grid_sample(crop[None], grid, mode="bicubic", padding_mode="zeros", align_corners=False)[0]


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


def repeat_photo_border(maps: Float[Tensor, "C h w"], inside: Bool[Tensor, "h w"]) -> Float[Tensor, "C h w"]:
    """The crop's maps with the nearest pixel of the photo outside it, so that resizing does not blend the border."""
    rows, columns = (line.nonzero()[:, 0] for line in (inside.any(1), inside.any(0)))
    y = torch.arange(maps.shape[1]).clamp(int(rows[0]), int(rows[-1]))
    x = torch.arange(maps.shape[2]).clamp(int(columns[0]), int(columns[-1]))
    return maps[:, y[:, None], x]


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


def crop_labels(
    maps: UInt8[Tensor, "C H W"], window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> UInt8[Tensor, "C h w"]:
    """The window of label maps, nearest pixels; 0 outside the photo."""
    x, y = (line.floor().long() for line in window_coordinates(window, size))
    height, width = maps.shape[1:]
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
    return maps[:, y.clamp(0, height - 1)[:, None], x.clamp(0, width - 1)] * inside


def find_person_box(
    parts: UInt8[Tensor, "H W"], matte: Float[Tensor, "1 H W"] | None = None
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in pixels, of the bare body and the matte."""
    person = parts > 0 if matte is None else (parts > 0) | (matte[0] > 0.5)
    if not bool(person.any()):
        raise ValueError(f"the photo of {parts.shape[1]}x{parts.shape[0]} pixels shows no body; fit one first")
    rows, columns = (line.nonzero()[:, 0] for line in (person.any(1), person.any(0)))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
