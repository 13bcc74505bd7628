"""Compiled per-pixel median over several pictures."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import Floats, compile_kernel

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int32]


@compile_kernel
def masked_median(
    pictures: Bytes, shown: Bytes, gains: Floats, wanted: NDArray[np.bool_], most: int, out: Bytes, count: Counts
) -> None:
    """For each wanted pixel, write the median of the first `most` pictures [K, H, W, 3] that show it to `out`.

    Each picture is multiplied by its gain [K, 3] first. `count` receives the number of pictures used.
    """
    found = np.empty((3, len(pictures)), np.float32)
    for y in range(wanted.shape[0]):
        for x in range(wanted.shape[1]):
            if not wanted[y, x]:
                continue
            n = 0
            for k in range(len(pictures)):
                if shown[k, y, x] and n < most:
                    for c in range(3):
                        found[c, n] = pictures[k, y, x, c] * gains[k, c]
                    n += 1
            count[y, x] = n
            if n:
                for c in range(3):
                    out[y, x, c] = np.uint8(min(255.0, float(np.median(found[c, :n])) + 0.5))
