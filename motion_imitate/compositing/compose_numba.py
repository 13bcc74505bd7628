"""Compiled kernel that composes the person over a picture. `compose.compose_person` is the same in PyTorch."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import HALF, ONE, ZERO, Floats, compile_kernel, inline_kernel

TWO = np.float32(2)

Bytes = NDArray[np.uint8]
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


@inline_kernel
def add_palette_sample(
    palettes: Floats, which: int, u: np.floating, v: np.floating, share: np.floating, out: Floats
) -> None:
    """Add a bilinear sample of one palette [N, h, w, 4], weighted by `share`, to `out`; zero outside the image."""
    height, width = palettes.shape[1], palettes.shape[2]
    x, y = (u + ONE) * np.float32(width) / TWO - HALF, (v + ONE) * np.float32(height) / TWO - HALF
    if -ONE < x < width and -ONE < y < height:
        column, row = int(np.floor(x)), int(np.floor(y))
        right, down = x - np.float32(column), y - np.float32(row)
        # pixels outside have weight 0; the nearest pixel inside is read instead
        a, b = (ONE - right if column >= 0 else ZERO), (right if column + 1 < width else ZERO)
        c, d = (ONE - down if row >= 0 else ZERO), (down if row + 1 < height else ZERO)
        first, second = np.uint64(max(column, 0)), np.uint64(min(column + 1, width - 1))
        top, bottom = np.uint64(max(row, 0)), np.uint64(min(row + 1, height - 1))
        a, b, c, d = share * a * c, share * b * c, share * a * d, share * b * d
        for k in range(4):
            above = a * palettes[which, top, first, k] + b * palettes[which, top, second, k]
            out[k] += above + (c * palettes[which, bottom, first, k] + d * palettes[which, bottom, second, k])


@compile_kernel
def covered_columns(cover: Floats, top: int, bottom: int) -> tuple[int, int]:
    """The first column with cover in either row, and the one after the last."""
    first, after = cover.shape[1], 0
    for column in range(cover.shape[1]):
        if cover[top, column] > 0 or cover[bottom, column] > 0:
            first, after = min(first, column), column + 1
    return first, after


@compile_kernel
def blend_rows(
    line: Floats, of: Floats, top: int, bottom: int, up: np.floating, down: np.floating, first: int, after: int
) -> None:
    """Blend two rows of a map [H, W] with weights `up` and `down`."""
    for column in range(first, after):
        line[column] = up * of[top, column] + down * of[bottom, column]


@compile_kernel
def blend_flow_rows(
    line: Floats,
    flow: Floats,
    trust: Floats,
    top: int,
    bottom: int,
    up: np.floating,
    down: np.floating,
    first: int,
    after: int,
) -> bool:
    """Blend two rows of one read's trust, flow weight and flow into the line [4, W]. Return whether any trust is
    positive."""
    found = False
    for column in range(first, after):
        above, below = trust[top, column], trust[bottom, column]
        high = up if above > 0 else ZERO
        low = down if below > 0 else ZERO
        line[0, column] = high * above + low * below
        line[1, column] = high + low
        line[2, column] = high * flow[top, column, 0] + low * flow[bottom, column, 0]
        line[3, column] = high * flow[top, column, 1] + low * flow[bottom, column, 1]
        if high + low > 0:
            found = True
    return found


@compile_kernel
def compose_kernel(
    picture: Bytes, colour: Floats, cover: Floats, trim: Floats, flow: Floats, trust: Floats, palette: Floats
) -> None:
    """Compose into the picture [h, w, 3], or [h, w, 4] without a background, in place.

    The other arguments are the fields of a generator's output [..., H, W] and the palette [N, ..., 4]. Interpolates
    between rows first, then along them.
    """
    height, width, channels = picture.shape
    rows, downs = bilinear_taps(height, cover.shape[0])
    columns, overs = bilinear_taps(width, cover.shape[1])
    line = np.empty((5, cover.shape[1]), np.float32)
    ways = np.empty((len(flow), 4, cover.shape[1]), np.float32)
    there = np.empty(len(flow), np.bool_)
    read = np.empty(4, np.float32)
    for y in range(height):
        top, bottom, up, down = rows[y, 0], rows[y, 1], downs[y, 0], downs[y, 1]
        start, stop = covered_columns(cover, top, bottom)
        if start >= stop:
            continue
        first, after = max(start - 1, 0), min(stop + 1, cover.shape[1])  # one more column per side, to interpolate
        blend_rows(line[0], cover, top, bottom, up, down, first, after)
        blend_rows(line[1], trim, top, bottom, up, down, first, after)
        for c in range(3):
            blend_rows(line[2 + c], colour[c], top, bottom, up, down, first, after)
        for k in range(len(flow)):
            there[k] = blend_flow_rows(ways[k], flow[k], trust[k], top, bottom, up, down, first, after)
        for x in range(width):
            left, right, a, b = columns[x, 0], columns[x, 1], overs[x, 0], overs[x, 1]
            if right < start or left >= stop:
                continue
            drawn = a * line[0, left] + b * line[0, right]
            if drawn <= 0:
                continue
            read[:] = 0
            total = ZERO
            for k in range(len(flow)):
                if there[k]:
                    share = a * ways[k, 0, left] + b * ways[k, 0, right]
                    if share > 0:
                        part = a * ways[k, 1, left] + b * ways[k, 1, right]
                        u = (a * ways[k, 2, left] + b * ways[k, 2, right]) / part
                        v = (a * ways[k, 3, left] + b * ways[k, 3, right]) / part
                        add_palette_sample(palette, k % len(palette), u, v, share, read)
                        total += share
            cut = a * line[1, left] + b * line[1, right]
            opaque = drawn * (ONE - cut * (ONE - read[3] / max(total, np.float32(1e-6))))
            for c in range(3):
                shown = read[c]
                if total < ONE:
                    shown += (a * line[2 + c, left] + b * line[2 + c, right]) * (ONE - total)
                mixed = shown if channels == 4 else shown * opaque
                under = ZERO if channels == 4 else picture[y, x, c] * (ONE - opaque)
                picture[y, x, c] = round_to_byte(mixed * np.float32(255) + under)
            if channels == 4:
                picture[y, x, 3] = round_to_byte(opaque * np.float32(255))


@compile_kernel
def round_to_byte(value: np.floating) -> np.uint8:
    """Round to uint8, clamped to 0 to 255."""
    return np.uint8(min(max(value + np.float32(0.5), ZERO), np.float32(255)))
