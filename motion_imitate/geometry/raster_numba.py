"""The CPU's rasteriser, compiled: operation for operation, in float32, what `raster` does in plain torch."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

ONE, HALF, ZERO, INFINITY = np.float32(1), np.float32(0.5), np.float32(0), np.float32(np.inf)

C = TypeVar("C", bound=Callable[..., Any])
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Triangle = tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]  # x and y of each corner


def compiled(function: C) -> C:
    """Machine code, kept on disk where there is somewhere to keep it; a read-only install compiles at each start."""
    plain = inspect.unwrap(function)  # a shape checker around it could not be compiled
    try:
        made: C = numba.njit(plain, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:
        made = numba.njit(plain, nogil=True, error_model="numpy")
    return made


def inlined(function: C) -> C:
    """Put into the code of whoever calls it: a call with arrays takes as long as a small face."""
    made: C = numba.njit(inspect.unwrap(function), inline="always", error_model="numpy")
    return made


@compiled
def in_pixels(corners: Floats, b: int, f: int, half: tuple[np.float32, np.float32]) -> Triangle:
    x0, y0 = (corners[b, f, 0, 0] + ONE) * half[0], (corners[b, f, 0, 1] + ONE) * half[1]
    x1, y1 = (corners[b, f, 1, 0] + ONE) * half[0], (corners[b, f, 1, 1] + ONE) * half[1]
    x2, y2 = (corners[b, f, 2, 0] + ONE) * half[0], (corners[b, f, 2, 1] + ONE) * half[1]
    return x0, y0, x1, y1, x2, y2


@compiled
def finite(face: Triangle) -> bool:
    x, y = abs(face[0]) + abs(face[2]) + abs(face[4]), abs(face[1]) + abs(face[3]) + abs(face[5])
    return bool(x < INFINITY and y < INFINITY)


@compiled
def span(a: np.float32, b: np.float32, c: np.float32, count: int) -> tuple[int, int]:
    """The first pixel whose centre lies in the range of a, b and c, and the first after the last."""
    low = max(np.ceil(min(a, b, c) - HALF), ZERO)
    high = min(np.floor(max(a, b, c) - HALF) + ONE, np.float32(count))
    return (int(low), int(high)) if low < high else (0, 0)


@compiled
def edges(face: Triangle, row: int, column: int) -> tuple[np.float32, np.float32, np.float32]:
    """Twice the areas of the triangles between a pixel's centre and the side opposite each corner.

    Faces that share a side find values for it that differ in nothing but sign: no pixel falls between them.
    """
    x, y = np.float32(column) + HALF, np.float32(row) + HALF
    x0, y0, x1, y1, x2, y2 = face[0] - x, face[1] - y, face[2] - x, face[3] - y, face[4] - x, face[5] - y
    return x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0


@inlined
def draw_face(
    corners: Floats, b: int, f: int, near: np.float32, half: tuple[np.float32, np.float32], face: Ints, depth: Floats
) -> None:
    triangle = in_pixels(corners, b, f, half)
    z0, z1, z2 = corners[b, f, 0, 2], corners[b, f, 1, 2], corners[b, f, 2, 2]
    if not (finite(triangle) and min(z0, z1, z2) >= near and max(z0, z1, z2) < INFINITY):
        return
    left, right = span(triangle[0], triangle[2], triangle[4], face.shape[2])
    top, bottom = span(triangle[1], triangle[3], triangle[5], face.shape[1])
    p0, p1, p2 = z1 * z2, z2 * z0, z0 * z1
    for row in range(top, bottom):
        for column in range(left, right):
            e0, e1, e2 = edges(triangle, row, column)
            if not (min(e0, e1, e2) >= ZERO or max(e0, e1, e2) <= ZERO):
                continue
            z = (e0 + e1 + e2) * (p0 * z0) / (e0 * p0 + e1 * p1 + e2 * p2)
            if z > ZERO and z < depth[b, row, column]:
                depth[b, row, column] = z
                face[b, row, column] = f


@inlined
def weigh(
    corners: Floats, b: int, row: int, column: int, half: tuple[np.float32, np.float32], f: int, weights: Floats
) -> None:
    e0, e1, e2 = edges(in_pixels(corners, b, f, half), row, column)
    z0, z1, z2 = corners[b, f, 0, 2], corners[b, f, 1, 2], corners[b, f, 2, 2]
    q0, q1, q2 = e0 * (z1 * z2), e1 * (z2 * z0), e2 * (z0 * z1)
    scale = ONE / (q0 + q1 + q2)
    weights[b, row, column, 0] = q0 * scale
    weights[b, row, column, 1] = q1 * scale
    weights[b, row, column, 2] = q2 * scale


@compiled
def draw(corners: Floats, near: float, face: Ints, weights: Floats, depth: Floats) -> None:
    """Fills face [B, H, W], weights [B, H, W, 3] and depth [B, H, W] with what corners [B, F, 3, 3] show.

    `near` is no constant here: code kept on disk would not notice that it changed.
    """
    batch, height, width = face.shape
    half = (np.float32(width) * HALF, np.float32(height) * HALF)
    face[:] = -1
    depth[:] = INFINITY
    for b in range(batch):
        for f in range(corners.shape[1]):
            draw_face(corners, b, f, np.float32(near), half, face, depth)
        for row in range(height):
            for column in range(width):
                if face[b, row, column] >= 0:
                    weigh(corners, b, row, column, half, face[b, row, column], weights)
                else:
                    weights[b, row, column, 0] = weights[b, row, column, 1] = weights[b, row, column, 2] = ZERO
