"""CPU kernel of the rasterizer: the same operations in float32 as `raster` in plain PyTorch."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.options import DefaultOptions
from numpy.typing import NDArray

ONE, HALF, ZERO, INFINITY = np.float32(1), np.float32(0.5), np.float32(0), np.float32(np.inf)

KernelT = TypeVar("KernelT", bound=Callable[..., Any])
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Triangle = tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]  # x and y of each corner
Depths = tuple[np.float32, np.float32, np.float32]  # of each corner


def compile_kernel(function: KernelT) -> KernelT:
    """Compile a function with numba and cache the result on disk; a read-only install compiles at every start."""
    plain = inspect.unwrap(function)  # numba cannot compile the jaxtyping wrapper
    try:
        made: KernelT = numba.njit(plain, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:
        made = numba.njit(plain, nogil=True, error_model="numpy")
    return made


def compile_loops(function: KernelT) -> KernelT:
    """As `compile_kernel`, for a function that creates no array.

    Numba counts references to arrays, which in loops can take as long as drawing a pixel. Its private option `_nrt`
    leaves that out; without it the kernel is the same, but slower.
    """
    options: dict[str, Any] = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}
    plain = inspect.unwrap(function)
    try:
        made: KernelT = numba.njit(cache=True, nogil=True, error_model="numpy", **options)(plain)
    except RuntimeError:
        made = numba.njit(nogil=True, error_model="numpy", **options)(plain)
    return made


def inline_kernel(function: KernelT) -> KernelT:
    """Compile a function to be inlined into its callers by LLVM: a call with array arguments costs as much as a small
    face. Numba itself would inline its source, and compile every copy."""
    options: dict[str, Any] = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}
    made: KernelT = numba.njit(forceinline=True, error_model="numpy", **options)(inspect.unwrap(function))
    return made


@compile_kernel
def triangle_in_pixels(corners: Floats, b: int, f: int, half: tuple[np.float32, np.float32]) -> Triangle:
    """Corners of a face in pixels."""
    x0, y0 = (corners[b, f, 0, 0] + ONE) * half[0], (corners[b, f, 0, 1] + ONE) * half[1]
    x1, y1 = (corners[b, f, 1, 0] + ONE) * half[0], (corners[b, f, 1, 1] + ONE) * half[1]
    x2, y2 = (corners[b, f, 2, 0] + ONE) * half[0], (corners[b, f, 2, 1] + ONE) * half[1]
    return x0, y0, x1, y1, x2, y2


@compile_kernel
def triangle_is_finite(face: Triangle) -> bool:
    """Whether all coordinates are finite."""
    x, y = abs(face[0]) + abs(face[2]) + abs(face[4]), abs(face[1]) + abs(face[3]) + abs(face[5])
    return bool(x < INFINITY and y < INFINITY)


@inline_kernel
def first_centre(at: np.float32, count: int) -> np.int64:
    """The first of `count` pixels whose centre is not before `at`; `count` if there is none."""
    within = min(max(at - HALF, ZERO), np.float32(count))
    whole = np.int32(within)  # numba's CUDA target has no `np.ceil`, and `math.ceil` is slower
    return np.int64(whole) + np.int64(np.float32(whole) < within)


@compile_kernel
def pixel_span(a: np.float32, b: np.float32, c: np.float32, count: int) -> tuple[int, int]:
    """The first pixel whose centre lies between the least and the greatest of a, b and c, and the one after the
    last."""
    low, last = int(first_centre(min(a, b, c), count)), max(a, b, c) - HALF
    high = min(int(np.int32(min(last, np.float32(count)))) + 1, count) if last >= ZERO else 0
    return (low, high) if low < high else (0, 0)


@compile_kernel
def pixel_edge_values(face: Triangle, row: int, column: int) -> tuple[np.float32, np.float32, np.float32]:
    """Twice the signed area of the triangle between the pixel's centre and the side opposite each corner.

    Faces that share a side get values for it that differ only in sign, so no pixel falls between them.
    """
    x, y = np.float32(column) + HALF, np.float32(row) + HALF
    x0, y0, x1, y1, x2, y2 = face[0] - x, face[1] - y, face[2] - x, face[3] - y, face[4] - x, face[5] - y
    return x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0


@inline_kernel
def face_is_visible(triangle: Triangle, depths: Depths, near: np.float32) -> bool:
    """Whether a face is in front of the near plane, and finite."""
    z0, z1, z2 = depths
    return bool(triangle_is_finite(triangle) and min(z0, z1, z2) >= near and max(z0, z1, z2) < INFINITY)


@inline_kernel
def depth_at_pixel(triangle: Triangle, depths: Depths, row: int, column: int) -> np.float32:
    """Depth of a face at a pixel's centre; 0 if it does not cover it."""
    e0, e1, e2 = pixel_edge_values(triangle, row, column)
    z0, z1, z2 = depths
    z = ZERO
    if min(e0, e1, e2) >= ZERO or max(e0, e1, e2) <= ZERO:
        p0, p1, p2 = z1 * z2, z2 * z0, z0 * z1
        z = (e0 + e1 + e2) * (p0 * z0) / (e0 * p0 + e1 * p1 + e2 * p2)
    return z


@inline_kernel
def rasterize_face(
    corners: Floats, b: int, f: int, near: np.float32, half: tuple[np.float32, np.float32], face: Ints, depth: Floats
) -> None:
    """Write one face to the face and depth buffers."""
    triangle = triangle_in_pixels(corners, b, f, half)
    depths = corners[b, f, 0, 2], corners[b, f, 1, 2], corners[b, f, 2, 2]
    if not face_is_visible(triangle, depths, near):
        return
    left, right = pixel_span(triangle[0], triangle[2], triangle[4], face.shape[2])
    top, bottom = pixel_span(triangle[1], triangle[3], triangle[5], face.shape[1])
    for row in range(top, bottom):
        for column in range(left, right):
            z = depth_at_pixel(triangle, depths, row, column)
            if z > ZERO and z < depth[b, row, column]:
                depth[b, row, column] = z
                face[b, row, column] = f


@inline_kernel
def write_pixel_weights(
    corners: Floats, b: int, row: int, column: int, half: tuple[np.float32, np.float32], f: int, weights: Floats
) -> None:
    """Write the perspective-correct weights of one pixel."""
    e0, e1, e2 = pixel_edge_values(triangle_in_pixels(corners, b, f, half), row, column)
    z0, z1, z2 = corners[b, f, 0, 2], corners[b, f, 1, 2], corners[b, f, 2, 2]
    q0, q1, q2 = e0 * (z1 * z2), e1 * (z2 * z0), e2 * (z0 * z1)
    scale = ONE / (q0 + q1 + q2)
    weights[b, row, column, 0] = q0 * scale
    weights[b, row, column, 1] = q1 * scale
    weights[b, row, column, 2] = q2 * scale


@compile_kernel
def rasterize_into(corners: Floats, near: float, face: Ints, weights: Floats, depth: Floats) -> None:
    """Fill face [B, H, W], weights [B, H, W, 3] and depth [B, H, W] from corners [B, F, 3, 3].

    `near` is an argument, not a global: cached machine code would not notice that a global changed.
    """
    batch, height, width = face.shape
    half = (np.float32(width) * HALF, np.float32(height) * HALF)
    face[:] = -1
    depth[:] = INFINITY
    for b in range(batch):
        for f in range(corners.shape[1]):
            rasterize_face(corners, b, f, np.float32(near), half, face, depth)
        for row in range(height):
            for column in range(width):
                if face[b, row, column] >= 0:
                    write_pixel_weights(corners, b, row, column, half, face[b, row, column], weights)
                else:
                    weights[b, row, column, 0] = weights[b, row, column, 1] = weights[b, row, column, 2] = ZERO
