"""CPU kernels that draw an avatar: the same operations in float32 as `draw` in plain PyTorch.

The picture is drawn in bands of rows, whose samples stay in the processor's cache from the first face to the colours.
"""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.avatar.place_numba import BAND_ROWS, AvatarArrays, count_bands, place_faces_in_bands
from motion_imitate.avatar.raster_numba import (
    NEXT,
    Keys,
    Samples,
    band_columns,
    key_face,
    make_band_buffers,
    rasterize_band,
)
from motion_imitate.avatar.texel_numba import (
    LIFT_COLUMN,
    LIFTED_PHOTO_COLUMN,
    LIFTED_PLANES,
    OWN_PLANES,
    PHOTO_COLUMN,
    Index,
    Texel,
    Words,
    read_face_texel,
    texel_place,
)
from motion_imitate.compositing.compose_numba import round_to_byte
from motion_imitate.geometry.raster_numba import HALF, ONE, ZERO, Floats, compile_kernel, compile_loops, inline_kernel

FULL, QUARTER, TWO = np.float32(255), np.float32(0.25), np.float32(2)

Bytes = NDArray[np.uint8]


@inline_kernel
def read_keys(samples: Samples, at: np.uint64, below: np.uint64) -> Keys:
    """The samples of a pixel, round it, from its first ones above and below on."""
    return samples[at], samples[at + NEXT], samples[below + NEXT], samples[below]


@inline_kernel
def soft_is_seen(solid: Keys, soft: Keys) -> bool:
    """Whether a pixel shows a translucent face."""
    first, second = (soft[0] >> 32) > (solid[0] >> 32), (soft[1] >> 32) > (solid[1] >> 32)
    third, fourth = (soft[2] >> 32) > (solid[2] >> 32), (soft[3] >> 32) > (solid[3] >> 32)
    return bool(first | second | third | fourth)


@inline_kernel
def choose_key(keys: Keys, k: int) -> Index:
    """The k-th of four samples; numba's CUDA target has no variable index of tuples."""
    return keys[0] if k == 0 else keys[1] if k == 1 else keys[2] if k == 2 else keys[3]


@inline_kernel
def mix_samples(planes: Floats, x: np.float32, y: np.float32, photos: Words, solid: Keys, soft: Keys) -> Texel:
    """Mean over a pixel's samples of the nearest translucent face over the nearest opaque one; premultiplied."""
    red = green = blue = cover = ZERO
    last: Index = np.int64(-1)
    r, g, b, a = ZERO, ZERO, ZERO, ZERO  # one read serves neighbouring samples of the same face
    left = ONE
    for k in range(8):  # of each sample the translucent face, then the opaque one
        near, far = choose_key(soft, k >> 1), choose_key(solid, k >> 1)
        over = (near >> 32) > (far >> 32)
        first = (k & 1) == 0
        if first:
            left = ONE
        if (first & over) | ((not first) & (far > 0)):
            f = key_face(near if first else far)
            if f != last:
                r, g, b, a = read_face_texel(planes, f, x, y, photos)
                last = f
            share = a / FULL if first else left
            red, green, blue, cover = red + share * r, green + share * g, blue + share * b, cover + share
            left = ONE - share
    return red * QUARTER, green * QUARTER, blue * QUARTER, cover * (QUARTER * FULL)


@inline_kernel
def colour_pixel(planes: Floats, x: np.float32, y: np.float32, photos: Words, solid: Keys, soft: Keys) -> Texel:
    """Premultiplied colour and alpha of a pixel with its centre at (x, y) in samples.

    A face is coloured as at the pixel's centre: colours read at each sample would be blurred. Most pixels show one or
    two opaque faces only, which is quicker to mix.
    """
    covered = min(solid[0], solid[1], solid[2], solid[3]) > 0
    one, second, third, fourth = key_face(solid[0]), key_face(solid[1]), key_face(solid[2]), key_face(solid[3])
    other = second if second != one else third if third != one else fourth
    more = ((third != one) & (third != other)) | ((fourth != one) & (fourth != other))
    if soft_is_seen(solid, soft) | more | (not covered):
        red, green, blue, cover = mix_samples(planes, x, y, photos, solid, soft)
    else:
        red = green = blue = ZERO
        share = ONE
        for k in range(1 + int(other != one)):
            r, g, b, cover = read_face_texel(planes, other if k else one, x, y, photos)
            red, green, blue = red + (r - red) * share, green + (g - green) * share, blue + (b - blue) * share
            share = np.float32(int(second != one) + int(third != one) + int(fourth != one)) * QUARTER
        cover = FULL
    return red, green, blue, cover


@inline_kernel
def blend_pixel(picture: Bytes, y: Index, x: Index, colour: Texel) -> None:
    """Blend a premultiplied colour over a pixel of a picture with 3 channels, or 4 with straight alpha."""
    r, g, b, a = colour
    if a < FULL:
        behind, scale = ONE - a / FULL, ONE
        if picture.shape[2] == 4:
            behind *= np.float32(picture[y, x, 3]) / FULL
            a += behind * FULL
            scale = FULL / a
        r = (r + behind * np.float32(picture[y, x, 0])) * scale
        g = (g + behind * np.float32(picture[y, x, 1])) * scale
        b = (b + behind * np.float32(picture[y, x, 2])) * scale
    picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = round_to_byte(r), round_to_byte(g), round_to_byte(b)
    if picture.shape[2] == 4:
        picture[y, x, 3] = round_to_byte(a)


@inline_kernel
def read_pixel(
    planes: Floats, x: Index, y: Index, at: Index, stride: int, photos: Words, solid: Samples, soft: Samples
) -> Texel:
    """Premultiplied colour and alpha of a pixel, whose first sample is at `at` in its band; 0 if it has none."""
    below = at + np.uint64(stride)
    a, b = read_keys(solid, np.uint64(at), below), read_keys(soft, np.uint64(at), below)
    red = green = blue = cover = ZERO
    if a[0] | a[1] | a[2] | a[3] | b[0] | b[1] | b[2] | b[3]:
        red, green, blue, cover = colour_pixel(planes, np.float32(2 * x + 1), np.float32(2 * y + 1), photos, a, b)
    return red, green, blue, cover


@inline_kernel
def write_pixel_reads(
    reads: Floats,
    x: Index,
    y: Index,
    at: Index,
    stride: int,
    planes: Floats,
    photos: Words,
    solid: Samples,
    soft: Samples,
) -> None:
    """Write what a pixel reads, where it shows anything: see `draft.render_draft_torch`."""
    below = at + np.uint64(stride)
    a, b = read_keys(solid, np.uint64(at), below), read_keys(soft, np.uint64(at), below)
    key = max(a[0], a[1], a[2], a[3])
    if key == 0:
        key = max(b[0], b[1], b[2], b[3])
    if key > 0:
        i = np.uint64(key_face(key))
        photo, shift = PHOTO_COLUMN, OWN_PLANES
        if planes[i, LIFT_COLUMN] > HALF:
            photo, shift = LIFTED_PHOTO_COLUMN, LIFTED_PLANES
        u, v = texel_place(planes, i, np.float32(2 * x + 1), np.float32(2 * y + 1), shift)
        reads[y, x, 0] = (u + HALF) * TWO / np.float32(photos.shape[2]) - ONE
        reads[y, x, 1] = (v + HALF) * TWO / np.float32(photos.shape[1]) - ONE
        reads[y, x, 2] = planes[i, photo]


@compile_loops
def blend_band(
    picture: Bytes,
    top: int,
    low: int,
    high: int,
    stride: int,
    planes: Floats,
    photos: Words,
    solid: Samples,
    soft: Samples,
) -> None:
    """Blend a band's samples into the picture, from row `top` on."""
    for y in range(top, min(top + BAND_ROWS // 2, picture.shape[0])):
        for x in range(low // 2, min(high // 2, picture.shape[1])):
            at = np.uint64((y - top) * 2 * stride + 2 * x)
            colour = read_pixel(planes, x, y, at, stride, photos, solid, soft)
            if colour[3] > ZERO:
                blend_pixel(picture, np.uint64(y), np.uint64(x), colour)


@compile_loops
def write_band(
    drawn: Floats,
    top: int,
    low: int,
    high: int,
    stride: int,
    planes: Floats,
    photos: Words,
    solid: Samples,
    soft: Samples,
) -> None:
    """Write a band's pixels, premultiplied, from row `top` on."""
    for y in range(top, min(top + BAND_ROWS // 2, drawn.shape[0])):
        for x in range(low // 2, min(high // 2, drawn.shape[1])):
            at = np.uint64((y - top) * 2 * stride + 2 * x)
            r, g, b, a = read_pixel(planes, x, y, at, stride, photos, solid, soft)
            drawn[y, x, 0], drawn[y, x, 1], drawn[y, x, 2], drawn[y, x, 3] = r, g, b, a


@compile_kernel
def blend_avatar(picture: Bytes, avatar: AvatarArrays, vertices: Floats, near: float) -> None:
    """Draw over a picture [H, W, 3], or [H, W, 4] with straight alpha."""
    height, width = picture.shape[0], picture.shape[1]
    placed = place_faces_in_bands(avatar, vertices, near, (2 * height, 2 * width))
    stride, solid, soft, line, farthest = make_band_buffers(width)
    for band in range(count_bands(height)):
        low, high = band_columns(band, placed)
        if low < high:
            rasterize_band(band, low, high, stride, placed, avatar.photos, solid, soft, line, farthest)
            blend_band(picture, band * BAND_ROWS // 2, low, high, stride, placed.planes, avatar.photos, solid, soft)


@compile_kernel
def render_avatar(drawn: Floats, avatar: AvatarArrays, vertices: Floats, near: float) -> None:
    """Write premultiplied colour and alpha [H, W, 4], 0 to 255, where there is any."""
    height, width = drawn.shape[0], drawn.shape[1]
    placed = place_faces_in_bands(avatar, vertices, near, (2 * height, 2 * width))
    stride, solid, soft, line, farthest = make_band_buffers(width)
    for band in range(count_bands(height)):
        low, high = band_columns(band, placed)
        if low < high:
            rasterize_band(band, low, high, stride, placed, avatar.photos, solid, soft, line, farthest)
            write_band(drawn, band * BAND_ROWS // 2, low, high, stride, placed.planes, avatar.photos, solid, soft)
