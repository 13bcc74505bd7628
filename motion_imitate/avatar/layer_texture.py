"""Colours of a photo's layers: the photo's own where a layer is seen, continued where others hide it."""

import cv2
import numpy as np

from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    distance_to_edge,
    grow_mask,
    nearest_known_pixels,
    open_mask,
    spread_colours,
)
from motion_imitate.avatar.photo_layers import (
    ARM_LAYERS,
    FACE,
    HAIR,
    LABEL_ALPHA,
    LEG_LAYERS,
    NO_LAYER,
    ONE_PIECE,
    SHOULDER_REACH,
    SKIN,
    TRUNK,
    UPPER,
    PhotoLayers,
)
from motion_imitate.geometry.raster_numba import Floats, compile_kernel

CUT_MARGIN = 2.0  # pixels from a cut within which colours, mixed with the neighbouring layer's, are not continued
DEEPEST_FOLD = 0.08  # of the height: cloth farther from a cut may be another piece
CHIN = 98  # per cent of a face's rows
CLEAR_RADIUS = 0.006  # of the height: narrower pieces of a layer are not continued
LEAST_CLEAR = 200  # pixels to continue a layer from
SAME_CLOTH = 0.15  # of the usual colours of two pieces of it
LEAST_DRESSED = 0.5  # of what is seen of the trunk: with more cloth, what an arm hides of it is cloth
CONTACT_SHADOW = 0.010  # of the height from an arm, within which cloth behind it is darker


def layer_colours(image: Plane, layers: PhotoLayers, alphas: Plane, layer: int) -> Plane:
    """The colours of a layer's texture, defined everywhere."""
    sure = ((layers.alpha - 0.5) / 0.45).clip(0, 1)
    seen = layers.seen(layer)
    own = seen | ((alphas[layer] > 0.5) & ~layers.hidden(layer))  # joined layers are opaque beyond the border
    if layer == TRUNK:
        own |= layers.hidden(TRUNK) & find_sleeve_tops(image, layers)
    if layer in ARM_LAYERS:
        own |= layers.hidden(layer) & (layers.kind == HAIR)  # until the arm moves, see `remove_hair`
    other = (layers.owner != NO_LAYER) & ~own
    apart = -distance_to_edge(other) if other.any() else np.full(image.shape[:2], 1e4, np.float32)
    known = sure * own * (apart > CUT_MARGIN)
    if known.sum() < 20:
        known = sure * own
    colours = spread_colours(image, known)
    hidden = layers.hidden(layer) & ~own
    if layer in LEG_LAYERS:
        hidden &= np.isin(layers.owner, ARM_LAYERS)  # legs beneath a skirt are plain
    clear = open_mask(np.asarray((known > 0.6) & (apart > CONTACT_SHADOW * layers.unit)), CLEAR_RADIUS * layers.unit)
    if hidden.any() and layer not in ARM_LAYERS and clear.sum() >= LEAST_CLEAR:
        laid = continue_layer(image, layers, layer, hidden, clear)
        share = blur_plane(hidden, max(0.8, 0.002 * layers.unit))[..., None] * hidden[..., None]
        colours += (laid - colours) * share
    keep = (sure * own)[..., None]
    return np.asarray(colours + (image - colours) * keep, np.float32)


def find_sleeve_tops(image: Plane, layers: PhotoLayers) -> Mask:
    """Where the shoulders' cloth is seen, if the trunk has the same; arms and trunk have it in common."""
    cloth = np.isin(layers.kind, (UPPER, ONE_PIECE)) & (layers.alpha > LABEL_ALPHA)
    tops = cloth & np.isin(layers.owner, ARM_LAYERS)
    tops &= grow_mask(np.asarray(layers.shoulders.any(0)), SHOULDER_REACH * layers.unit)
    of_trunk = cloth & layers.seen(TRUNK)
    if not tops.any() or not of_trunk.any():
        return np.zeros_like(tops)
    apart = np.abs(np.median(image[tops], 0) - np.median(image[of_trunk], 0)).max()
    return np.asarray(tops & (apart < SAME_CLOTH))


def continue_layer(image: Plane, layers: PhotoLayers, layer: int, wanted: Mask, clear: Mask) -> Plane:
    """The image with a layer's wanted pixels reflected about the nearest of its clear ones: where an arm hides a
    dressed chest, about the nearest cloth."""
    coordinates = fold_coordinates(clear, wanted, DEEPEST_FOLD * layers.unit)
    bare = np.isin(layers.kind, (FACE, HAIR, SKIN))
    face = np.nonzero(layers.kind == FACE)[0]
    chest = np.arange(len(bare))[:, None] > (np.percentile(face, CHIN) if len(face) else -1)
    cloth = clear & chest & ~bare
    if layer == TRUNK and cloth.sum() > LEAST_DRESSED * (clear & chest).sum():
        below = wanted & chest & ~(layers.seen(layer) & bare)
        coordinates[below] = fold_coordinates(cloth, below, DEEPEST_FOLD * layers.unit)[below]
    return read_pixels(image, coordinates)


def read_pixels(image: Plane, coordinates: Floats) -> Plane:
    """Bilinear reads at (x, y), where the first pixel's centre is (0, 0)."""
    x, y = np.ascontiguousarray(coordinates[..., 0]), np.ascontiguousarray(coordinates[..., 1])
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def fold_coordinates(known: Mask, wanted: Mask, deepest: float = 400.0) -> Floats:
    """Coordinates (x, y) for every pixel [H, W, 2]: its own, or where wanted the reflection about the nearest known
    pixel, back and forth if what is known there is narrow, and at most `deepest` pixels away from it."""
    row, column = nearest_known_pixels(known)
    y, x = np.mgrid[: known.shape[0], : known.shape[1]].astype(np.float32)
    coordinates = np.stack([x, y], -1)
    nearest = np.stack([column, row], -1).astype(np.float32)
    reflect_pixels(coordinates, nearest, known, np.asarray(wanted & ~known), np.float32(deepest))
    return coordinates


@compile_kernel
def reflect_pixels(coordinates: Floats, nearest: Floats, known: Mask, wanted: Mask, deepest: np.float32) -> None:
    """Replace the coordinates of wanted pixels, see `fold_coordinates`."""
    height, width = known.shape
    for y in range(height):
        for x in range(width):
            if not wanted[y, x]:
                continue
            at_x, at_y = nearest[y, x, 0], nearest[y, x, 1]
            away = np.float32(np.sqrt((at_x - x) ** 2 + (at_y - y) ** 2))
            way_x, way_y = (at_x - x) / away, (at_y - y) / away
            deep = np.float32(0)
            while deep < deepest:  # how far everything is known
                column, row = round(at_x + way_x * (deep + 1)), round(at_y + way_y * (deep + 1))
                if column < 0 or row < 0 or column >= width or row >= height or not known[row, column]:
                    break
                deep += np.float32(1)
            deep = max(deep, np.float32(1))
            inward = away % (2 * deep)
            if inward > deep:
                inward = 2 * deep - inward
            coordinates[y, x, 0] = at_x + way_x * inward
            coordinates[y, x, 1] = at_y + way_y * inward
