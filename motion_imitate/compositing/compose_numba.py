"""Compiled parts of composing pictures: bilinear enlarging, and rounding."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import ONE, ZERO, Floats, compile_kernel

Indices = NDArray[np.uint64]  # unsigned: numba checks signed indices for wraparound at each access


@compile_kernel
def bilinear_taps(count: int, size: int) -> tuple[Indices, Floats]:
    """For each of `count` output pixels, the two of `size` input pixels it lies between, and their weights.

    Clamped at the border.
    """
    pair, near = np.empty((count, 2), np.uint64), np.empty((count, 2), np.float32)
    for i in range(count):
        at = min(max((i + 0.5) * size / count - 0.5, 0.0), size - 1.0)
        low = int(at)
        pair[i, 0], pair[i, 1] = np.uint64(low), np.uint64(min(low + 1, size - 1))
        near[i, 1] = np.float32(at - low)
        near[i, 0] = ONE - near[i, 1]
    return pair, near


@compile_kernel
def blend_rows(
    line: Floats, of: Floats, top: int, bottom: int, up: np.floating, down: np.floating, first: int, after: int
) -> None:
    """Blend two rows of a map [H, W] with weights `up` and `down`."""
    for column in range(first, after):
        line[column] = up * of[top, column] + down * of[bottom, column]


@compile_kernel
def round_to_byte(value: np.floating) -> np.uint8:
    """Round to uint8, clamped to 0 to 255."""
    return np.uint8(min(max(value + np.float32(0.5), ZERO), np.float32(255)))
