"""Compiled lookup of colours in a table."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import Floats, compile_loops


@compile_loops
def look_up_colours(picture: NDArray[np.uint16], nodes: int, table: Floats, out: NDArray[np.uint8]) -> None:
    """Write the colour of `table` [nodes ** 3, 3] for each pixel of `picture` [H, W, 3].

    Interpolated in tetrahedra, so that greys depend on greys alone.
    """
    last = nodes - 2
    step = np.float32((nodes - 1) / 65535)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            high, mid, low = picture[y, x, 0] * step, picture[y, x, 1] * step, picture[y, x, 2] * step
            r, g, b = min(int(high), last), min(int(mid), last), min(int(low), last)
            high, mid, low = np.float32(high - r), np.float32(mid - g), np.float32(low - b)
            first, second, third = nodes * nodes, nodes, 1
            if high < mid:
                high, mid, first, second = mid, high, second, first
            if mid < low:
                mid, low, second, third = low, mid, third, second
            if high < mid:
                high, mid, first, second = mid, high, second, first
            at = (r * nodes + g) * nodes + b
            for c in range(3):
                value = (1 - high) * table[at, c] + (high - mid) * table[at + first, c]
                value += (mid - low) * table[at + first + second, c] + low * table[at + first + second + third, c]
                out[y, x, c] = np.uint8(value + np.float32(0.5))
