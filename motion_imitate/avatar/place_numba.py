"""CPU kernels that place an avatar's faces on a picture, and sort them into bands of rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from motion_imitate.avatar.avatar import OPAQUE_ALPHA, THICK_ALPHA
from motion_imitate.avatar.texel_numba import LIFTED_SHIFT, PLANE_COLUMNS, Index, Words
from motion_imitate.geometry.raster_numba import (
    HALF,
    INFINITY,
    ONE,
    ZERO,
    Floats,
    Ints,
    compile_kernel,
    compile_loops,
    first_centre,
    inline_kernel,
)

BAND_ROWS = 32  # samples: 16 rows of pixels
SMALLEST_AREA = 1e-5  # samples: a face with less is skipped, since nothing can be interpolated over it
LEAST_AREA = np.float32(SMALLEST_AREA)
TURNS = 3  # a band draws its solid faces in two turns, then the others
SOFT_TURN = 2
OPAQUE, OPAQUE_THICK = np.float32(OPAQUE_ALPHA), np.float32(THICK_ALPHA)

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int32]
Corners = tuple[np.float32, np.float32, np.float32]  # a value at each corner of a face
Edge = tuple[np.float32, np.float32, np.float32]  # x and y of its upper end, and the change of x per row


class AvatarArrays(NamedTuple):
    """The fields of an `Avatar` that are drawn."""

    source: Floats
    faces: Ints
    photo: Ints
    lift: Floats  # see `FadingFaces`
    lifted: Ints
    slot: Ints
    lifted_source: Floats
    layer: Ints
    bias: Floats
    thick: Bools
    solid: Bools
    photos: Words  # [N, H, W]: red in the lowest 8 bits, then green, blue and alpha


class PlacedFaces(NamedTuple):
    """Faces on a picture, in samples."""

    planes: Floats  # [F, PLANE_COLUMNS]: as in `draw.ScreenFaces`, then photo, nearness of the nearest corner, lift,
    # lifted; and from LIFTED_SHIFT on, where lift is above 0, u and v again, as the face reads the photo it fades to
    edges: Floats  # [F, 10]: the edge that passes all rows, the upper one, the lower one, and where that begins
    boxes: Numbers  # [F, 4]: first row, row after the last, first column, column after the last
    opaque: Floats  # [F]: a face with more alpha hides what is behind it
    turns: Numbers  # [F]: in which turn of a band the face is drawn; -1: not seen
    members: Numbers  # the faces of each turn of each band
    ends: Ints  # [bands * TURNS + 1]: where turns end in `members`, after a 0


@compile_kernel
def directed_edge(xa: np.float32, ya: np.float32, xb: np.float32, yb: np.float32) -> Edge:
    """An edge from its upper end on: the same for both faces that share it, so that no sample falls between them."""
    if ya <= yb:
        return xa, ya, (xb - xa) / (yb - ya)
    return xb, yb, (xa - xb) / (ya - yb)


@inline_kernel
def write_edges(edges: Floats, f: Index, x: Corners, y: Corners) -> None:
    """Write a face's edges."""
    (x0, x1, x2), (y0, y1, y2) = x, y
    if y1 < y0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    if y2 < y1:
        x1, y1, x2, y2 = x2, y2, x1, y1
    if y1 < y0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    edges[f, 0], edges[f, 1], edges[f, 2] = directed_edge(x0, y0, x2, y2)
    edges[f, 3], edges[f, 4], edges[f, 5] = directed_edge(x0, y0, x1, y1)
    edges[f, 6], edges[f, 7], edges[f, 8] = directed_edge(x1, y1, x2, y2)
    edges[f, 9] = y1


@inline_kernel
def write_plane(planes: Floats, f: Index, k: Index, at: Corners, x: Corners, y: Corners, area: np.float32) -> None:
    """Write the k-th value of a face at its origin, and its gradients."""
    first, second = (at[1] - at[0]) / area, (at[2] - at[0]) / area
    planes[f, 2 + k] = at[0]
    planes[f, 5 + k] = first * (y[2] - y[0]) - second * (y[1] - y[0])
    planes[f, 8 + k] = second * (x[1] - x[0]) - first * (x[2] - x[0])


@inline_kernel
def write_bounds(planes: Floats, f: Index, k: Index, at: Corners, count: int) -> None:
    """Write how far a face may read its photo along an axis: the centre of a pixel may lie a little outside it."""
    last = np.float32(count - 1)
    planes[f, 11 + k] = min(max(min(at[0], at[1], at[2]) - ONE, ZERO), last)
    planes[f, 13 + k] = min(max(max(at[0], at[1], at[2]) + ONE, ZERO), last)


@inline_kernel
def write_source(
    planes: Floats,
    f: Index,
    shift: np.int64,
    photos: tuple[int, int, int],
    source: Floats,
    corners: tuple[np.uint64, np.uint64, np.uint64],
    x: Corners,
    y: Corners,
    area: np.float32,
) -> None:
    """Write where a face reads its photo; `shift` is added to the columns."""
    i, j, k = corners
    u = corner_values(source, 0, i, j, k, np.float32(photos[2]) * HALF, -HALF)
    v = corner_values(source, 1, i, j, k, np.float32(photos[1]) * HALF, -HALF)
    write_plane(planes, f, shift + 1, u, x, y, area)
    write_plane(planes, f, shift + 2, v, x, y, area)
    write_bounds(planes, f, shift, u, photos[2])
    write_bounds(planes, f, shift + 1, v, photos[1])


@inline_kernel
def corner_values(of: Floats, axis: int, i: Index, j: Index, k: Index, scale: np.float32, shift: np.float32) -> Corners:
    """Image coordinates of three points along an axis, in samples or texels."""
    return (of[i, axis] + ONE) * scale + shift, (of[j, axis] + ONE) * scale + shift, (of[k, axis] + ONE) * scale + shift


@inline_kernel
def corner_nearness(depth: np.float32, bias: np.float32, near: np.float32) -> np.float32:
    """Nearness as if the corner were nearer by the bias."""
    return ONE / max(depth - bias, near)


@inline_kernel
def place_face(
    f: Index, avatar: AvatarArrays, vertices: Floats, near: np.float32, size: tuple[int, int], placed: PlacedFaces
) -> int:
    """Write one face; return the turn in which it is drawn, -1 if it covers no sample."""
    planes, boxes = placed.planes, placed.boxes
    i, j, k = np.uint64(avatar.faces[f, 0]), np.uint64(avatar.faces[f, 1]), np.uint64(avatar.faces[f, 2])
    depth = vertices[i, 2], vertices[j, 2], vertices[k, 2]
    x = corner_values(vertices, 0, i, j, k, np.float32(size[1]) * HALF, ZERO)
    y = corner_values(vertices, 1, i, j, k, np.float32(size[0]) * HALF, ZERO)
    far = abs(x[0]) + abs(x[1]) + abs(x[2]) + abs(y[0]) + abs(y[1]) + abs(y[2]) + depth[0] + depth[1] + depth[2]
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    top, bottom = first_centre(min(y[0], y[1], y[2]), size[0]), first_centre(max(y[0], y[1], y[2]), size[0])
    left, right = first_centre(min(x[0], x[1], x[2]), size[1]), first_centre(max(x[0], x[1], x[2]), size[1])
    in_front = depth[0] >= near and depth[1] >= near and depth[2] >= near
    if not (in_front and far < INFINITY and LEAST_AREA < abs(area) < INFINITY and top < bottom and left < right):
        return -1
    boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = top, bottom, left, right
    write_edges(placed.edges, f, x, y)
    bias = avatar.bias[avatar.layer[f]]
    nearness = (
        corner_nearness(depth[0], bias, near),
        corner_nearness(depth[1], bias, near),
        corner_nearness(depth[2], bias, near),
    )
    planes[f, 0], planes[f, 1] = x[0], y[0]
    write_plane(planes, f, np.int64(0), nearness, x, y, area)
    zero, one, two = np.uint64(0), np.uint64(1), np.uint64(2)
    write_source(planes, f, np.int64(0), avatar.photos.shape, avatar.source, (i, j, k), x, y, area)
    planes[f, 15], planes[f, 16] = np.float32(avatar.photo[f]), max(nearness[0], nearness[1], nearness[2])
    planes[f, 17], planes[f, 18] = avatar.lift[f], np.float32(avatar.lifted[f])
    slot = avatar.slot[f]
    if avatar.lift[f] > ZERO:
        if slot >= 0:
            corners = avatar.lifted_source[slot]
            write_source(planes, f, LIFTED_SHIFT, avatar.photos.shape, corners, (zero, one, two), x, y, area)
        else:
            write_source(planes, f, LIFTED_SHIFT, avatar.photos.shape, avatar.source, (i, j, k), x, y, area)
    placed.opaque[f] = OPAQUE_THICK if avatar.thick[f] else OPAQUE
    if avatar.solid[f]:
        return 0 if area > ZERO else 1
    return SOFT_TURN


@compile_kernel
def count_bands(height: int) -> int:
    """The number of bands of a picture of `height` pixels."""
    return (2 * height + BAND_ROWS - 1) // BAND_ROWS


@inline_kernel
def first_turn(boxes: Numbers, f: Index) -> int:
    """The number of the first turn of the band where a face begins."""
    return boxes[f, 0] // BAND_ROWS * TURNS


@inline_kernel
def last_turn(boxes: Numbers, f: Index) -> int:
    """The number of the last turn of the band where a face ends."""
    return (boxes[f, 1] - 1) // BAND_ROWS * TURNS + TURNS - 1


@compile_loops
def place_faces(
    avatar: AvatarArrays, vertices: Floats, near: float, size: tuple[int, int], placed: PlacedFaces
) -> None:
    """Write all faces, and how many there are up to each turn."""
    ends, turns, boxes = placed.ends, placed.turns, placed.boxes
    for k in range(len(ends)):
        ends[k] = 0
    for f in range(len(turns)):
        turns[f] = place_face(f, avatar, vertices, np.float32(near), size, placed)
        if turns[f] >= 0:
            for turn in range(first_turn(boxes, f) + turns[f], last_turn(boxes, f) + 1, TURNS):
                ends[turn + 2] += 1
    for k in range(2, len(ends)):
        ends[k] += ends[k - 1]


@compile_loops
def list_members(boxes: Numbers, turns: Numbers, members: Numbers, ends: Ints) -> None:
    """Write the faces of each turn, in their order."""
    for f in range(len(turns)):
        if turns[f] >= 0:
            for turn in range(first_turn(boxes, f) + turns[f], last_turn(boxes, f) + 1, TURNS):
                members[ends[turn + 1]] = f
                ends[turn + 1] += 1


@compile_kernel
def place_faces_in_bands(avatar: AvatarArrays, vertices: Floats, near: float, size: tuple[int, int]) -> PlacedFaces:
    """Faces on a picture of (height, width) samples, from image x, image y and depth of the vertices."""
    count = len(avatar.faces)
    planes, edges = np.empty((count, PLANE_COLUMNS), np.float32), np.empty((count, 10), np.float32)
    boxes, opaque = np.empty((count, 4), np.int32), np.empty(count, np.float32)
    turns, members = np.empty(count, np.int32), np.empty(0, np.int32)
    ends = np.empty(count_bands(size[0] // 2) * TURNS + 2, np.int64)
    place_faces(avatar, vertices, near, size, PlacedFaces(planes, edges, boxes, opaque, turns, members, ends))
    members = np.empty(ends[-1], np.int32)
    list_members(boxes, turns, members, ends)
    return PlacedFaces(planes, edges, boxes, opaque, turns, members, ends)
