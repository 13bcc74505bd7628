"""CPU kernels that find the nearest faces at the samples of a band of rows, in float32 as `draw` in plain PyTorch.

A sample is one integer: the bits of the nearness, then of the face, of which the first wins; 0 for none. The greatest
is the nearest, in whatever order faces are drawn.
"""

import numpy as np

from motion_imitate.avatar.place_numba import BAND_ROWS, SOFT_TURN, TURNS, Numbers, PlacedFaces
from motion_imitate.avatar.texel_numba import Index, Words, mix_taps, read_taps
from motion_imitate.geometry.raster_numba import (
    HALF,
    Floats,
    Ints,
    compile_kernel,
    compile_loops,
    first_centre,
    inline_kernel,
)

FAINT_ALPHA = 8  # of 255: less is not drawn
FAINT = np.float32(FAINT_ALPHA)
FACE_BITS = 0xFFFFFFFF
TILE = 8  # samples of a side of a tile, whose farthest sample tells which faces are hidden
ROUNDING = np.float32(1.0001)  # how much nearer than its nearest corner a sample of a face may seem
NEXT = np.uint64(1)

Samples = Ints
Keys = tuple[Index, Index, Index, Index]  # a pixel's samples


@inline_kernel
def sample_key(nearness: np.float32, tag: Index) -> Index:
    """One integer that is the greater the nearer; of faces as near, the one with the greatest tag."""
    return (np.int64(np.float32(nearness).view(np.int32)) << 32) | tag


@inline_kernel
def key_face(key: Index) -> Index:
    """The face of a sample."""
    return FACE_BITS - (key & FACE_BITS)


@inline_kernel
def row_span(edges: Floats, f: Index, row: int, stride: int) -> tuple[np.int64, np.int64]:
    """The first sample of a row that a face covers, and the one after the last."""
    y = np.float32(row) + HALF
    one = edges[f, 0] + (y - edges[f, 1]) * edges[f, 2]
    if y < edges[f, 9]:
        other = edges[f, 3] + (y - edges[f, 4]) * edges[f, 5]
    else:
        other = edges[f, 6] + (y - edges[f, 7]) * edges[f, 8]
    return first_centre(min(one, other), stride), first_centre(max(one, other), stride)


@inline_kernel
def draw_solid_face(
    f: Index, first: int, after: int, top: int, stride: int, planes: Floats, edges: Floats, solid: Samples
) -> None:
    """Write a face that is opaque everywhere to the samples it covers in rows `first` to `after`."""
    x0, y0, value, over, down = planes[f, 0], planes[f, 1], planes[f, 2], planes[f, 5], planes[f, 8]
    tag = FACE_BITS - np.int64(f)
    for row in range(first, after):
        left, right = row_span(edges, f, row, stride)
        start = value + down * (np.float32(row) + HALF - y0)
        base = (row - top) * stride
        for column in range(left, right):  # numba makes this loop process 4 or 8 samples at once
            at = np.uint64(base + column)
            solid[at] = max(solid[at], sample_key(start + over * (np.float32(column) + HALF - x0), tag))


@inline_kernel
def raise_samples(samples: Samples, at: Index, below: Index, keys: Keys) -> None:
    """Write a pixel's samples where they are nearer."""
    samples[at], samples[at + NEXT] = max(samples[at], keys[0]), max(samples[at + NEXT], keys[1])
    samples[below], samples[below + NEXT] = max(samples[below], keys[2]), max(samples[below + NEXT], keys[3])


@inline_kernel
def draw_soft_face(
    f: Index,
    first: int,
    after: int,
    top: int,
    stride: int,
    planes: Floats,
    edges: Floats,
    opaque: np.float32,
    photos: Words,
    solid: Samples,
    soft: Samples,
) -> None:
    """Write a face to the samples it covers in rows `first` to `after`, as the alpha at the pixel's centre says."""
    x0, y0, value, over, down = planes[f, 0], planes[f, 1], planes[f, 2], planes[f, 5], planes[f, 8]
    tag = FACE_BITS - np.int64(f)
    for row in range(first // 2 * 2, after, 2):
        left, right = row_span(edges, f, max(row, first), stride)
        left2, right2 = row_span(edges, f, min(row + 1, after - 1), stride)
        upper, lower = row >= first, row + 1 < after
        start, start2 = value + down * (np.float32(row) + HALF - y0), value + down * (np.float32(row + 1) + HALF - y0)
        for column in range(min(left, left2) // 2 * 2, max(right, right2), 2):
            across, across2 = over * (np.float32(column) + HALF - x0), over * (np.float32(column + 1) + HALF - x0)
            keys = (
                sample_key(start + across, tag) * (upper & (left <= column) & (column < right)),
                sample_key(start + across2, tag) * (upper & (left <= column + 1) & (column + 1 < right)),
                sample_key(start2 + across, tag) * (lower & (left2 <= column) & (column < right2)),
                sample_key(start2 + across2, tag) * (lower & (left2 <= column + 1) & (column + 1 < right2)),
            )
            at = np.uint64((row - top) * stride + column)
            below = at + np.uint64(stride)
            nearer = (keys[0] > solid[at]) | (keys[1] > solid[at + NEXT])
            if not (nearer | (keys[2] > solid[below]) | (keys[3] > solid[below + NEXT])):
                continue
            alpha = mix_taps(read_taps(planes, f, np.float32(column + 1), np.float32(row + 1), photos), 24)
            if alpha > opaque:
                raise_samples(solid, at, below, keys)
            elif alpha >= FAINT:
                raise_samples(soft, at, below, keys)


@compile_loops
def write_farthest_samples(solid: Samples, stride: int, low: int, high: int, line: Ints, farthest: Numbers) -> None:
    """Write the bits of the least nearness in each tile of a band, from column `low` to `high`."""
    for row in range(len(farthest)):
        for column in range(np.uint64(low), np.uint64(high)):
            line[column] = solid[np.uint64(row * TILE * stride) + column]
        for base in range((row * TILE + 1) * stride, (row + 1) * TILE * stride, stride):
            for column in range(np.uint64(low), np.uint64(high)):
                line[column] = min(line[column], solid[np.uint64(base) + column])
        for tile in range(low // TILE, high // TILE):
            least = line[tile * TILE]
            for column in range(tile * TILE + 1, tile * TILE + TILE):
                least = min(least, line[column])
            farthest[row, tile] = least >> 32


@inline_kernel
def face_is_hidden(
    f: Index, first: int, after: int, top: int, planes: Floats, boxes: Numbers, farthest: Numbers
) -> bool:
    """Whether a face lies behind all samples of the tiles that it may touch."""
    nearest = np.float32(planes[f, 16] * ROUNDING).view(np.int32)
    left, right = boxes[f, 2] // TILE, (boxes[f, 3] - 1) // TILE + 1
    hidden = True
    for row in range((first - top) // TILE, (after - 1 - top) // TILE + 1):
        for tile in range(left, right):
            if nearest >= farthest[row, tile]:
                hidden = False
                break
    return hidden


@compile_loops
def band_columns(band: int, placed: PlacedFaces) -> tuple[int, int]:
    """The first sample of the tiles that a band's faces touch, and the one after the last; 0, 0 if it has none."""
    low, high = 1 << 30, 0
    for k in range(placed.ends[band * TURNS], placed.ends[band * TURNS + TURNS]):
        f = placed.members[k]
        low, high = min(low, placed.boxes[f, 2]), max(high, placed.boxes[f, 3])
    if low >= high:
        return 0, 0
    return max(low - 1, 0) // TILE * TILE, (high + TILE) // TILE * TILE  # a crossing may be rounded out of the box


@compile_kernel
def make_band_buffers(width: int) -> tuple[int, Samples, Samples, Ints, Numbers]:
    """For a picture of `width` pixels: samples from one row to the next, and buffers for `rasterize_band`."""
    stride = (2 * width + TILE) // TILE * TILE
    solid, soft = np.empty(BAND_ROWS * stride, np.int64), np.empty(BAND_ROWS * stride, np.int64)
    return stride, solid, soft, np.empty(stride, np.int64), np.empty((BAND_ROWS // TILE, stride // TILE), np.int32)


@compile_loops
def rasterize_band(
    band: int,
    low: int,
    high: int,
    stride: int,
    placed: PlacedFaces,
    photos: Words,
    solid: Samples,
    soft: Samples,
    line: Ints,
    farthest: Numbers,
) -> None:
    """Fill the samples of a band [BAND_ROWS * stride] with the nearest opaque and the nearest translucent faces.

    Faces are sorted by the way that their corners go round: of a closed surface, those of one turn hide those of the
    other. Faces hidden by the first turn are not drawn. If it is the first that is hidden, drawing only takes longer.
    """
    planes, edges, boxes, opaque = placed.planes, placed.edges, placed.boxes, placed.opaque
    top = band * BAND_ROWS
    turns = band * TURNS
    for row in range(BAND_ROWS):
        for at in range(np.uint64(row * stride + low), np.uint64(row * stride + high)):
            solid[at] = soft[at] = 0
    for row in range(len(farthest)):
        for tile in range(low // TILE, high // TILE):
            farthest[row, tile] = 0
    for turn in range(TURNS):
        if turn == 1:
            write_farthest_samples(solid, stride, low, high, line, farthest)
        for k in range(placed.ends[turns + turn], placed.ends[turns + turn + 1]):
            f = placed.members[k]
            first, after = max(boxes[f, 0], top), min(boxes[f, 1], top + BAND_ROWS)
            if face_is_hidden(f, first, after, top, planes, boxes, farthest):
                continue
            if turn < SOFT_TURN:
                draw_solid_face(f, first, after, top, stride, planes, edges, solid)
            else:
                draw_soft_face(f, first, after, top, stride, planes, edges, opaque[f], photos, solid, soft)
