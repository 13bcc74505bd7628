"""CPU kernels that draw an avatar with where it reads its photos, and that blend a drawing with changes to it."""

import numpy as np

from motion_imitate.avatar.draw_numba import FULL, Bytes, blend_pixel, write_band, write_pixel_reads
from motion_imitate.avatar.place_numba import BAND_ROWS, AvatarArrays, count_bands, place_faces_in_bands
from motion_imitate.avatar.raster_numba import Samples, band_columns, make_band_buffers, rasterize_band
from motion_imitate.avatar.texel_numba import Words
from motion_imitate.compositing.compose_numba import bilinear_taps, blend_rows
from motion_imitate.geometry.raster_numba import ZERO, Floats, compile_kernel, compile_loops


@compile_loops
def write_band_reads(
    reads: Floats,
    top: int,
    low: int,
    high: int,
    stride: int,
    planes: Floats,
    photos: Words,
    solid: Samples,
    soft: Samples,
) -> None:
    """Write what each pixel of a band reads, where it shows anything: see `draft.render_draft_torch`."""
    for y in range(top, min(top + BAND_ROWS // 2, reads.shape[0])):
        for x in range(low // 2, min(high // 2, reads.shape[1])):
            at = np.uint64((y - top) * 2 * stride + 2 * x)
            write_pixel_reads(reads, x, y, at, stride, planes, photos, solid, soft)


@compile_kernel
def render_avatar_draft(drawn: Floats, reads: Floats, avatar: AvatarArrays, vertices: Floats, near: float) -> None:
    """`draw_numba.render_avatar`, and [H, W, 3] what is read, where there is anything."""
    height, width = drawn.shape[0], drawn.shape[1]
    placed = place_faces_in_bands(avatar, vertices, near, (2 * height, 2 * width))
    stride, solid, soft, line, farthest = make_band_buffers(width)
    for band in range(count_bands(height)):
        low, high = band_columns(band, placed)
        if low < high:
            top = band * BAND_ROWS // 2
            rasterize_band(band, low, high, stride, placed, avatar.photos, solid, soft, line, farthest)
            write_band(drawn, top, low, high, stride, placed.planes, avatar.photos, solid, soft)
            write_band_reads(reads, top, low, high, stride, placed.planes, avatar.photos, solid, soft)


@compile_kernel
def blend_changed(picture: Bytes, drawn: Floats, change: Floats) -> None:
    """`draft.blend_changed_torch`: interpolates the change between rows first, then along them."""
    height, width, _ = picture.shape
    rows, downs = bilinear_taps(height, change.shape[1])
    columns, overs = bilinear_taps(width, change.shape[2])
    line = np.empty((4, change.shape[2]), np.float32)
    for y in range(height):
        for k in range(4):
            blend_rows(line[k], change[k], rows[y, 0], rows[y, 1], downs[y, 0], downs[y, 1], 0, change.shape[2])
        for x in range(width):
            left, right, a, b = columns[x, 0], columns[x, 1], overs[x, 0], overs[x, 1]
            cover = drawn[y, x, 3] + (a * line[3, left] + b * line[3, right]) * FULL
            cover = min(max(cover, ZERO), FULL)
            if cover > ZERO:
                red = drawn[y, x, 0] + (a * line[0, left] + b * line[0, right]) * FULL
                green = drawn[y, x, 1] + (a * line[1, left] + b * line[1, right]) * FULL
                blue = drawn[y, x, 2] + (a * line[2, left] + b * line[2, right]) * FULL
                red, green, blue = max(red, ZERO), max(green, ZERO), max(blue, ZERO)
                blend_pixel(
                    picture, np.uint64(y), np.uint64(x), (min(red, cover), min(green, cover), min(blue, cover), cover)
                )
