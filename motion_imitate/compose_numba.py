"""The person drawn into a picture, pixel by pixel, compiled. `imitate.compose` says the same in torch."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.raster_numba import Floats, compiled

Bytes = NDArray[np.uint8]


@compiled
def between(at: float, size: int) -> tuple[int, int, np.float32]:
    """The two pixels of a row that a place lies between, and how near it is to the second; the border is held."""
    at = min(max(at, 0.0), size - 1.0)
    low = int(at)
    return low, min(low + 1, size - 1), np.float32(at - low)


@compiled
def add_read(palette: Floats, u: np.floating, v: np.floating, share: np.floating, out: Floats) -> None:
    """Adds a share of the palette's pixels [4, h, w] round an image point; there is nothing outside."""
    height, width = palette.shape[1], palette.shape[2]
    x, y = (u + 1) * width / 2 - 0.5, (v + 1) * height / 2 - 0.5
    if not (-1 < x < width and -1 < y < height):
        return
    column, row = int(np.floor(x)), int(np.floor(y))
    right, down = np.float32(x - column), np.float32(y - row)
    for j in range(2):
        for i in range(2):
            if 0 <= column + i < width and 0 <= row + j < height:
                weight = share * (right if i else 1 - right) * (down if j else 1 - down)
                for c in range(4):
                    out[c] += weight * palette[c, row + j, column + i]


@compiled
def compose(
    picture: Bytes, colour: Floats, cover: Floats, trim: Floats, flow: Floats, trust: Floats, palette: Floats
) -> None:
    """Into the picture [h, w, 3] itself; the rest as of a `Drawn` [..., H, W] and photos [N, 4, ...]."""
    height, width = picture.shape[0], picture.shape[1]
    high, wide = cover.shape
    near, read = np.empty(4, np.float32), np.empty(4, np.float32)
    for y in range(height):
        top, bottom, down = between((y + 0.5) * high / height - 0.5, high)
        for x in range(width):
            left, right, over = between((x + 0.5) * wide / width - 0.5, wide)
            near[0], near[1] = (1 - down) * (1 - over), (1 - down) * over
            near[2], near[3] = down * (1 - over), down * over
            corners = ((top, left), (top, right), (bottom, left), (bottom, right))
            there, cut, total = np.float32(0), np.float32(0), np.float32(0)
            for i in range(4):
                there += near[i] * cover[corners[i]]
                cut += near[i] * trim[corners[i]]
            if there <= 0:
                continue
            read[:] = 0
            for k in range(len(flow)):
                share, part, u, v = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                for i in range(4):
                    row, column = corners[i]
                    if trust[k, row, column] > 0:
                        share += near[i] * trust[k, row, column]
                        part += near[i]
                        u += near[i] * flow[k, row, column, 0]
                        v += near[i] * flow[k, row, column, 1]
                if part > 0:
                    add_read(palette[k % len(palette)], u / part, v / part, share, read)
                    total += share
            opaque = there * (1 - cut * (1 - read[3] / max(total, np.float32(1e-6))))
            for c in range(3):
                plain = np.float32(0)
                for i in range(4):
                    plain += near[i] * colour[c, corners[i][0], corners[i][1]]
                shown = read[c] + max(1 - total, np.float32(0)) * plain
                mixed = shown * opaque * 255 + picture[y, x, c] * (1 - opaque) + np.float32(0.5)
                picture[y, x, c] = np.uint8(min(max(mixed, np.float32(0)), np.float32(255)))
