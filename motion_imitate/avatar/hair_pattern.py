"""Hair repeated: colours like those that a photo shows of it, on all of a head's panorama."""

import cv2
import numpy as np

from motion_imitate.avatar.layer_texture import read_pixels
from motion_imitate.avatar.masks import (
    Mask,
    Plane,
    blur_plane,
    colour_distance,
    distance_to_edge,
    open_mask,
    smoothstep,
    spread_colours,
)
from motion_imitate.geometry.raster_numba import Floats

EVENNESS = 0.85  # of the differences of hair's colours, that are lost on the back
EVEN_REACH = 0.2  # of the panorama's width from where hair is seen, over which they are lost
STRAND = 0.12  # of the panorama's height: how long strands are
OTHER_COLOUR = (0.15, 0.3)  # difference between colours, from which on they are others
DETAIL = 0.7  # of the contrast of hair that is repeated
LEAST_CORE = 200  # pixels, from which on colours are taken
RIM = 0.012  # of the panorama's width: hair nearer to other things has their colours too
SHORT_RUN, LONG_RUN = 0.05, 0.15  # of the panorama's width: shorter runs of hair are not repeated


def repeat_hair(colours: Plane, known: Mask, usual: Plane) -> Plane:
    """Colours everywhere, like where they are known: smooth ones, the farther away the nearer to their usual one, and
    their detail repeated along the rows, drawn out to strands."""
    columns = known.shape[1]
    core = find_core(known, RIM * columns)
    alike = core & (colour_distance(colours, usual) < OTHER_COLOUR[1])
    core = alike if alike.any() else core
    tiled, mask = np.tile(colours, (1, 3, 1)), np.tile(core, (1, 3))
    sigma = 0.02 * columns
    smooth = blur_plane(tiled * mask[..., None], sigma) / (blur_plane(mask, sigma)[..., None] + 1e-3)
    even = blur_plane(spread_colours(np.asarray(smooth, np.float32), mask), 2 * sigma)
    away = smoothstep(-distance_to_edge(mask), 0.0, EVEN_REACH * columns)[..., None]
    even += EVENNESS * away * (usual - even)
    middle = slice(columns, 2 * columns)
    inside = DETAIL * smoothstep(distance_to_edge(core), 0.0, RIM * columns)[..., None]
    rest = np.asarray((colours - smooth[:, middle]) * inside, np.float32)
    coordinates, strength = repeat_along_rows(core)
    detail = read_pixels(rest, coordinates)
    strands = cv2.GaussianBlur(detail, (0, 0), 0.3, sigmaY=STRAND * len(known), borderType=cv2.BORDER_REFLECT)
    strands *= detail.std() / max(float(strands.std()), 1e-6)
    return np.asarray(even[:, middle] + strength[..., None] * strands, np.float32)


def find_core(known: Mask, rim: float) -> Mask:
    """What is known, without its rim, whose colours are mixed with others; all of it if too little is left."""
    for width in (rim, rim / 2):
        core = np.asarray(distance_to_edge(known) > width)
        if core.sum() > LEAST_CORE:
            return core
    return known


def repeat_along_rows(known: Mask) -> tuple[Floats, Plane]:
    """Coordinates (x, y) for every pixel: back and forth over the longest known run near its row. And per row 0 to 1,
    1 where that run is long enough not to look repeated."""
    rows, columns = known.shape
    inner = open_mask(known, 2.0)
    ends = np.zeros((rows, 2))
    for row in np.nonzero(inner.any(1))[0]:
        changes = np.diff(np.concatenate([[0], inner[row].astype(np.int8), [0]]))
        begins, stops = np.nonzero(changes > 0)[0], np.nonzero(changes < 0)[0]
        longest = int((stops - begins).argmax())
        ends[row] = begins[longest], stops[longest] - 1
    there = inner.any(1)
    if not there.any():
        there, ends = np.ones(rows, bool), np.tile([0.0, columns - 1.0], (rows, 1))
    at = np.arange(rows)
    first, last = (blur_plane(np.interp(at, at[there], ends[there, k])[:, None], 0.03 * rows)[:, :1] for k in (0, 1))
    span = np.maximum(last - first, 1)
    away = np.abs(np.arange(columns)[None] - first) % (2 * span)
    x = first + np.where(away > span, 2 * span - away, away)
    coordinates = np.stack([x, np.repeat(at[:, None], columns, 1)], -1).astype(np.float32)
    return coordinates, blur_plane(smoothstep(span, SHORT_RUN * columns, LONG_RUN * columns), 0.04 * rows)
