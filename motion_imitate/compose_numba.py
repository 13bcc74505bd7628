"""The person drawn into a picture, pixel by pixel, compiled. `imitate.compose` says the same in torch."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.raster_numba import ONE, ZERO, Floats, compiled

Bytes = NDArray[np.uint8]
Indices = NDArray[np.uint64]  # without a sign: what may be negative has to be looked at before each use


@compiled
def spots(count: int, size: int) -> tuple[Indices, Floats]:
    """For each of `count` pixels of a row, the two of `size` that it lies between, and how near to each; the border is
    held."""
    pair, near = np.empty((count, 2), np.uint64), np.empty((count, 2), np.float32)
    for i in range(count):
        at = min(max((i + 0.5) * size / count - 0.5, 0.0), size - 1.0)
        low = int(at)
        pair[i, 0], pair[i, 1] = np.uint64(low), np.uint64(min(low + 1, size - 1))
        near[i, 1] = np.float32(at - low)
        near[i, 0] = ONE - near[i, 1]
    return pair, near


@compiled
def add_read(palette: Floats, u: np.floating, v: np.floating, share: np.floating, out: Floats) -> None:
    """Adds a share of the palette's pixels [h, w, 4] round an image point; there is nothing outside."""
    height, width = palette.shape[0], palette.shape[1]
    x, y = (u + 1) * width / 2 - 0.5, (v + 1) * height / 2 - 0.5
    if not (-1 < x < width and -1 < y < height):
        return
    column, row = int(np.floor(x)), int(np.floor(y))
    right, down = np.float32(x - column), np.float32(y - row)
    for j in range(2):
        for i in range(2):
            if 0 <= column + i < width and 0 <= row + j < height:
                weight = share * (right if i else ONE - right) * (down if j else ONE - down)
                for c in range(4):
                    out[c] += weight * palette[row + j, column + i, c]


@compiled
def compose(
    picture: Bytes, colour: Floats, cover: Floats, trim: Floats, flow: Floats, trust: Floats, palette: Floats
) -> None:
    """Into the picture [h, w, 3] itself, or [h, w, 4] that has no background; the rest as of a `Drawn` [..., H, W] and
    photos [N, ..., 4]."""
    height, width, channels = picture.shape
    rows, downs = spots(height, cover.shape[0])
    columns, overs = spots(width, cover.shape[1])
    read = np.empty(4, np.float32)
    for y in range(height):
        for x in range(width):
            there, cut, total = ZERO, ZERO, ZERO
            for j in range(2):
                for i in range(2):
                    near = downs[y, j] * overs[x, i]
                    there += near * cover[rows[y, j], columns[x, i]]
                    cut += near * trim[rows[y, j], columns[x, i]]
            if there <= 0:
                continue
            read[:] = 0
            for k in range(len(flow)):
                share, part, u, v = ZERO, ZERO, ZERO, ZERO
                for j in range(2):
                    for i in range(2):
                        row, column = rows[y, j], columns[x, i]
                        if trust[k, row, column] > 0:
                            near = downs[y, j] * overs[x, i]
                            share += near * trust[k, row, column]
                            part += near
                            u += near * flow[k, row, column, 0]
                            v += near * flow[k, row, column, 1]
                if share > 0:
                    add_read(palette[k % len(palette)], u / part, v / part, share, read)
                    total += share
            opaque = there * (ONE - cut * (ONE - read[3] / max(total, np.float32(1e-6))))
            for c in range(3):
                shown = read[c]
                if total < ONE:
                    for j in range(2):
                        for i in range(2):
                            near = downs[y, j] * overs[x, i] * (ONE - total)
                            shown += near * colour[c, rows[y, j], columns[x, i]]
                mixed = shown if channels == 4 else shown * opaque
                under = ZERO if channels == 4 else picture[y, x, c] * (ONE - opaque)
                picture[y, x, c] = byte(mixed * np.float32(255) + under)
            if channels == 4:
                picture[y, x, 3] = byte(opaque * np.float32(255))


@compiled
def byte(value: np.floating) -> np.uint8:
    return np.uint8(min(max(value + np.float32(0.5), ZERO), np.float32(255)))
