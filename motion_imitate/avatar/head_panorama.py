"""The head all round, unrolled onto a panorama: what the photo shows of it, its mirror image, and hair for the rest.

Columns of a panorama are directions about the head's vertical axis, rows are elevations over its centre.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from motion_imitate.avatar.back_texture import LEAST_HAIR, NAPE
from motion_imitate.avatar.hair_pattern import LEAST_CORE, RIM, find_core, repeat_hair
from motion_imitate.avatar.masks import (
    Labels,
    Mask,
    Plane,
    blur_plane,
    close_mask,
    distance_to_edge,
    grow_mask,
    open_mask,
    smoothstep,
    spread_colours,
)
from motion_imitate.avatar.photo_layers import FACE, HAIR, SKIN, TRUNK, PhotoLayers
from motion_imitate.geometry.raster import rasterize

WELL_SEEN = (0.15, 0.45)  # cosines between surface and line of sight: below the first, the photo shows nothing of use
MOST_COLUMNS = 512
LEAST_COMMON_FACE = 200  # pixels that both halves must show of a face, to find out how it is askew
LEAST_LIKENESS = 0.5  # correlation
MOST_ROLL = 0.25  # sine
MOST_SHIFT = 0.08  # of the panorama's width
FOREHEAD = 15  # per cent of the face
MOST_SPAN = 1.8  # radians about the axis, that a face may take; at the crown some go round it
LEAST_HAT = 0.03  # of the head
LEAST_WEIGHT = 0.05  # with which hair must be seen, to be repeated
MOST_MIRROR_GAIN = 1.3  # of the light of a mirrored half
FRONT_RIM = 0.03  # of the panorama's width: the rim of the front, which is seen edge-on, fades to what is laid around
EAR = (0.3, 0.6)  # of a face's height below its hairline: where ears begin, and their middle
TEMPLE = (60.0, 85.0)  # degrees from the front, where hair begins at these heights
TEMPLE_RIM = 8.0  # degrees
CROWN = (0.3, 0.6)  # radians from the crown, within which the columns' colours become one
CROWN_BLUR, STRAND_BLUR = 0.2, 0.02  # of the panorama's width
CROWN_SEEN = (0.6, 1.0)  # weights, from which on the crown keeps its colours
UNKNOWN = -1

Values = NDArray[np.float64]


@dataclass(frozen=True)
class HeadMap:
    """Where faces of a head are on its panorama, in pixels."""

    corners: Values  # [K, 3, 2]; columns may lie outside, where the panorama repeats
    whole: Mask  # [K] not at the crown
    size: tuple[int, int]  # rows, columns
    radius: float  # pixels of the photo


@dataclass(frozen=True)
class HeadView:
    """What the photo shows, on the panorama."""

    colour: Plane
    weight: Plane  # how well it is seen, 0 to 1
    kind: Labels  # UNKNOWN where the front is not


def head_centre(corners: Values) -> Values:
    """The middle of the box of a head's faces, on the body's plane of symmetry."""
    low, high = corners.min((0, 1)), corners.max((0, 1))
    return np.array([0, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2])


def unroll_head(corners: Values, pixels_per_metre: float, most: tuple[int, int]) -> HeadMap:
    """Map faces [K, 3, 3] at rest, at most to (height, width)."""
    centre = head_centre(corners)
    x, y, z = np.moveaxis(corners - centre, -1, 0)
    across, up = np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))
    across += 2 * np.pi * np.round((across[:, :1] - across) / (2 * np.pi))
    bottom = float(up.min())
    radius = float(np.median(np.linalg.norm(corners - centre, axis=-1))) * pixels_per_metre
    scale = min(radius, MOST_COLUMNS / (2 * np.pi), most[1] / (2.4 * np.pi), most[0] / (np.pi / 2 - bottom))
    size = (int((np.pi / 2 - bottom) * scale), int(2 * np.pi * scale))
    whole = np.ptp(across, 1) < MOST_SPAN
    across = np.where(whole[:, None], across, across[:, :1])  # at the crown all directions have about one colour
    mapped = np.stack([(across + np.pi) * scale, (np.pi / 2 - up) * scale], -1)
    return HeadMap(mapped, whole, size, radius)


def view_head(
    fronts: Values,
    places: Values,
    cosines: Values,
    radii: Values,
    photo: Plane,
    layers: PhotoLayers,
    size: tuple[int, int],
) -> HeadView:
    """Read the photo at front faces: their corners on the panorama, in the photo, and how they are seen [K, 3]."""
    rows, columns = size
    at = torch.from_numpy(fronts / np.array([columns / 2, rows / 2]) - 1)
    depth = torch.from_numpy(3 - radii)[..., None]  # the outermost is seen
    found = rasterize(torch.cat([at, depth], -1).float()[None], size)
    face, weights = found.face[0].numpy(), found.weights[0].numpy().astype(np.float64)
    shown, index = face >= 0, np.maximum(face, 0)
    place = (places[index] * weights[..., None]).sum(2).astype(np.float32)
    cosine = (cosines[index] * weights).sum(2)
    x, y = (np.ascontiguousarray(place[..., k] - np.float32(0.5)) for k in (0, 1))
    near = [np.clip(np.round(c).astype(np.int64), 0, n - 1) for c, n in ((y, photo.shape[0]), (x, photo.shape[1]))]
    seen = shown & (layers.owner[*near] == TRUNK)
    colour = cv2.remap(photo, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = smoothstep(cosine, *WELL_SEEN) * seen
    kind = np.where(seen, layers.kind[*near], UNKNOWN)
    return HeadView(np.asarray(colour, np.float32), weight, kind)


def mirror_view(view: HeadView, symmetry: Values) -> HeadView:
    """The view with left and right exchanged: `symmetry` [2, 3] maps pixels to their counterparts."""
    rows, columns = view.weight.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    across, down = (np.asarray(symmetry[k, 0] * x + symmetry[k, 1] * y + symmetry[k, 2], np.float32) for k in (0, 1))
    inside = (across > 0) & (across < columns - 1) & (down > 0) & (down < rows - 1)
    colour = cv2.remap(view.colour, across, down, cv2.INTER_LINEAR)
    weight = cv2.remap(view.weight, across, down, cv2.INTER_LINEAR) * inside
    kind = cv2.remap(view.kind.astype(np.float32), across, down, cv2.INTER_NEAREST).astype(np.int64)
    weight = np.asarray(weight, np.float32)
    return HeadView(np.asarray(colour, np.float32), weight, np.where(inside, kind, UNKNOWN))


def keep_hair(view: HeadView, twin: HeadView) -> HeadView:
    """The mirror image without skin where the photo shows hair above the face."""
    face = np.nonzero((view.kind == FACE) & (view.weight > 0.5))[0]
    above = np.arange(len(view.kind))[:, None] < (np.percentile(face, FOREHEAD) if len(face) else 0)
    clash = (view.kind == HAIR) & np.isin(twin.kind, (FACE, SKIN)) & above
    share = blur_plane(grow_mask(open_mask(clash, 1.0), 2.0), 1.5)
    return replace(twin, weight=twin.weight * (1 - share))


def plain_symmetry(size: tuple[int, int]) -> Values:
    """The symmetry about the middle column."""
    return np.array([[-1.0, 0, size[1] - 1], [0, 1, 0]])


def find_symmetry(view: HeadView) -> Values:
    """The symmetry under which the seen face is most like its mirror image: the fitted head is a little askew."""
    plain = plain_symmetry((view.weight.shape[0], view.weight.shape[1]))
    twin = mirror_view(view, plain)
    both = (np.minimum(view.weight, twin.weight) > 0.3) & (view.kind == FACE) & (twin.kind == FACE)
    if both.sum() < LEAST_COMMON_FACE:
        return plain
    grey = [np.asarray(each.colour.mean(2), np.float32) for each in (view, twin)]
    own, other = (each / (blur_plane(each, 0.12 * each.shape[1]) + 0.05) for each in grey)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
    warp, like, mask = np.eye(2, 3, dtype=np.float32), 0.0, both.astype(np.uint8)
    try:
        for width in (41, 11, 5):  # of the blur, coarse to fine
            like, found = cv2.findTransformECC(own, other, warp, cv2.MOTION_EUCLIDEAN, stop, mask, width)
            warp = np.asarray(found, np.float32)
    except cv2.error:  # it did not converge
        return plain
    askew = float(np.abs(warp[:, :2] - np.eye(2)).max()), float(np.abs(warp[:, 2]).max()) / view.weight.shape[1]
    if like < LEAST_LIKENESS or askew[0] > MOST_ROLL or askew[1] > MOST_SHIFT:
        return plain
    return plain[:, :2] @ warp.astype(np.float64) + np.array([[0, 0, 1]]) * plain[:, 2:]


def complete_panorama(view: HeadView, symmetry: Values, hair: Plane | None, long_hair: bool) -> Plane:
    """The head's colours all round. `hair`: its colour, None if the photo shows none."""
    twin = keep_hair(view, mirror_view(view, symmetry))
    twin_colour = match_twin_light(view, twin)
    kind = np.where(view.weight > 0.3, view.kind, np.where(twin.weight > 0.3, twin.kind, UNKNOWN))
    laid = meet_at_back(lay_hidden_head(view, twin, twin_colour, kind, hair, long_hair))
    columns = view.weight.shape[1]
    bare, front = np.isin(view.kind, (FACE, SKIN)), np.asarray(view.kind != UNKNOWN)
    depth = distance_to_edge(np.pad(front, ((columns, 0), (0, 0)), mode="edge"))[columns:]
    temples = np.zeros_like(depth) if hair is None else find_temples(view)
    whole = close_mask(bare, 0.015 * columns)
    skin = spread_colours(view.colour, find_core(bare, RIM / 2 * columns)) if bare.any() else view.colour
    colour = laid
    for layer, share in (
        (view.colour, smoothstep(depth, 0.0, FRONT_RIM * columns) * (1 - temples * bare)),
        (skin, blur_plane(whole, 1.5) * whole * (1 - temples)),
        (twin_colour, twin.weight),
        (view.colour, view.weight),
    ):
        colour = colour + (layer - colour) * share[..., None]
    return meet_at_crown(np.asarray(colour.clip(0, 1), np.float32), view.weight)


def find_temples(view: HeadView) -> Plane:
    """Where hair begins beside a face, 0 to 1: above the ears, beyond the temples. A photo from the front shows it
    edge-on, smeared into the face's skin."""
    rows, columns = view.weight.shape
    across = np.abs(np.arange(columns) - (columns - 1) / 2) * 360 / columns
    face = np.nonzero((view.kind == FACE) & (across < TEMPLE[0]))[0]
    if not len(face):
        return np.zeros_like(view.weight)
    top, chin = np.percentile(face, (2, 98))
    y = np.arange(rows)
    limit = np.interp(y, top + (chin - top) * np.array(EAR), TEMPLE)[:, None]
    above = 1 - smoothstep(y.astype(np.float32), *(top + (chin - top) * (EAR[1] + np.array([-0.05, 0.05]))))[:, None]
    return np.asarray(smoothstep(across[None] - limit, 0.0, TEMPLE_RIM) * above, np.float32)


def match_twin_light(view: HeadView, twin: HeadView) -> Plane:
    """The mirror image's colours in the light of the half that they are for."""
    both = view.weight * twin.weight
    if (both > 0.2).sum() < LEAST_CORE:
        return twin.colour
    sigma = 0.02 * view.weight.shape[1]
    share = blur_plane(both, sigma) + 1e-4
    own, other = (blur_plane(each.colour * both[..., None], sigma).mean(2) / share + 0.02 for each in (view, twin))
    ratio = blur_plane(spread_colours(np.log(own / other)[..., None], np.asarray(both > 0.2)), 2 * sigma)
    most = np.log(MOST_MIRROR_GAIN)
    return np.asarray(twin.colour * np.exp(ratio.clip(-most, most))[..., None], np.float32)


def lay_hidden_head(
    view: HeadView, twin: HeadView, twin_colour: Plane, kind: Labels, hair_colour: Plane | None, long_hair: bool
) -> Plane:
    """Hair, and below it skin, for what neither half shows."""
    rows, columns = kind.shape
    better = view.weight >= twin.weight
    mixed = np.where(better[..., None], view.colour, twin_colour)
    kind = np.where(kind == UNKNOWN, np.where(better, view.kind, twin.kind), kind)
    y = np.repeat(np.arange(rows)[:, None], columns, 1)
    face = np.asarray(kind == FACE)
    chin = float(np.percentile(np.nonzero(face)[0], 98)) if face.any() else 0.75 * rows
    above = (kind != UNKNOWN) & (y < chin)
    hair = np.asarray((kind == HAIR) & (np.maximum(view.weight, twin.weight) > LEAST_WEIGHT))
    neck = np.asarray((kind == SKIN) & (y > chin))
    skin = neck if neck.sum() > 60 else np.isin(kind, (FACE, SKIN))
    laid_skin = blur_plane(spread_colours(mixed, skin), 0.02 * columns) if skin.any() else mixed
    laid = laid_skin
    if hair_colour is not None and (hair & above).sum() >= LEAST_HAIR * above.sum() and hair.sum() >= LEAST_CORE:
        end = rows if long_hair else chin * (1 - NAPE)
        below = smoothstep(y.astype(np.float32), end - 0.01 * rows, end + 0.03 * rows)[..., None]
        laid_hair = repeat_hair(mixed, hair, hair_colour)
        laid = laid_hair + (laid_skin - laid_hair) * below
    hat = np.asarray(above & ~np.isin(kind, (HAIR, FACE, SKIN)))
    aside = above & (np.abs(np.arange(columns) - columns / 2) > columns / 6)
    if hat.sum() < LEAST_HAT * above.sum() or not aside.any():
        return np.asarray(laid, np.float32)
    there = np.nonzero(aside.any(1))[0]
    share = np.interp(np.arange(rows), there, (hat & aside).sum(1)[there] / aside.sum(1)[there])
    covered = smoothstep(blur_plane(share[:, None], 0.02 * rows)[:, :1], 0.4, 0.6)[..., None]
    return np.asarray(laid + (repeat_hair(mixed, hat, np.median(mixed[hat], 0)) - laid) * covered, np.float32)


def meet_at_back(panorama: Plane) -> Plane:
    """A panorama whose ends, which meet at the back, are the same."""
    columns = panorama.shape[1]
    share = 0.5 * smoothstep(np.abs(np.arange(columns) - (columns - 1) / 2), 0.3 * columns, 0.5 * (columns - 1))
    return np.asarray(panorama + (panorama[:, ::-1] - panorama) * share[:, None], np.float32)


def meet_at_crown(panorama: Plane, seen: Plane) -> Plane:
    """A panorama whose columns, which meet at the crown, differ there in strands alone, unless it is well seen."""
    rows, columns = seen.shape
    from_crown = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) * (2 * np.pi / columns)
    share = (1 - smoothstep(from_crown, *CROWN)) * (1 - smoothstep(seen, *CROWN_SEEN))
    tiled = np.tile(panorama, (1, 3, 1))
    even, local = (cv2.GaussianBlur(tiled, (0, 0), wide * columns, sigmaY=1.0) for wide in (CROWN_BLUR, STRAND_BLUR))
    change = (even - local)[:, columns : 2 * columns] * share[..., None]
    return np.asarray((panorama + change).clip(0, 1), np.float32)
