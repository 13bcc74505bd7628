"""CPU kernels that read an avatar's photos: bilinear, with one 4-byte read per texel."""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import ZERO, Floats, inline_kernel

Index = int | np.int32 | np.int64 | np.uint64
Words = NDArray[np.uint32]
Taps = tuple[np.uint32, np.uint32, np.uint32, np.uint32, np.float32, np.float32]
PHOTO_COLUMN, LIFT_COLUMN, LIFTED_PHOTO_COLUMN = np.uint64(15), np.uint64(17), np.uint64(18)  # of planes
LIFTED_SHIFT = np.int64(16)  # from columns of u and v to those of the photo that a face fades to: 3 becomes 19
PLANE_COLUMNS = 31
OWN_PLANES, LIFTED_PLANES = np.uint64(0), np.uint64(LIFTED_SHIFT)
THREE, FOUR, SIX, SEVEN, NINE, TEN = (np.uint64(k) for k in (3, 4, 6, 7, 9, 10))  # columns, see `PlacedFaces`
ELEVEN, TWELVE, THIRTEEN, FOURTEEN = (np.uint64(k) for k in (11, 12, 13, 14))
Texel = tuple[np.float32, np.float32, np.float32, np.float32]  # red, green, blue and alpha, 0 to 255


@inline_kernel
def texel_place(
    planes: Floats, i: np.uint64, x: np.float32, y: np.float32, shift: np.uint64
) -> tuple[np.float32, np.float32]:
    """Where a face reads its photo at (x, y) in samples, in texels; `shift`: OWN_PLANES or LIFTED_PLANES.

    At most a texel outside the face's corners, and never outside the photo.
    """
    over, down = x - planes[i, 0], y - planes[i, 1]
    u = planes[i, shift + THREE] + planes[i, shift + SIX] * over + planes[i, shift + NINE] * down
    v = planes[i, shift + FOUR] + planes[i, shift + SEVEN] * over + planes[i, shift + TEN] * down
    left, top, right, bottom = shift + ELEVEN, shift + TWELVE, shift + THIRTEEN, shift + FOURTEEN
    return min(max(u, planes[i, left]), planes[i, right]), min(max(v, planes[i, top]), planes[i, bottom])


@inline_kernel
def read_taps(
    planes: Floats,
    f: Index,
    x: np.float32,
    y: np.float32,
    photos: Words,
    photo: np.uint64 = PHOTO_COLUMN,
    shift: np.uint64 = OWN_PLANES,
) -> Taps:
    """The 4 texels around what a face has at (x, y) in samples, and how far it is from the left and the top ones.

    `photo` is the column of the planes that holds the photo's number.
    """
    i = np.uint64(f)
    u, v = texel_place(planes, i, x, y, shift)
    column, row = np.int32(u), np.int32(v)
    n, left, top = np.uint64(np.int32(planes[i, photo])), np.uint64(column), np.uint64(row)
    right, bottom = np.uint64(min(column + 1, photos.shape[2] - 1)), np.uint64(min(row + 1, photos.shape[1] - 1))
    to_left, to_top = u - np.float32(column), v - np.float32(row)
    a, b = photos[n, top, left], photos[n, top, right]
    c, d = photos[n, bottom, left], photos[n, bottom, right]
    return a, b, c, d, to_left, to_top


@inline_kernel
def mix_taps(taps: Taps, shift: int) -> np.float32:
    """Bilinear value of the 8 bits from `shift` on, 0 to 255."""
    a, b = np.float32((taps[0] >> shift) & 255), np.float32((taps[1] >> shift) & 255)
    c, d = np.float32((taps[2] >> shift) & 255), np.float32((taps[3] >> shift) & 255)
    above, below = a + (b - a) * taps[4], c + (d - c) * taps[4]
    return above + (below - above) * taps[5]


@inline_kernel
def read_face_texel(planes: Floats, f: Index, x: np.float32, y: np.float32, photos: Words) -> Texel:
    """A face's colour and alpha at (x, y) in samples."""
    taps = read_taps(planes, f, x, y, photos)
    red, green, blue = mix_taps(taps, 0), mix_taps(taps, 8), mix_taps(taps, 16)
    lift = planes[np.uint64(f), LIFT_COLUMN]
    if lift > ZERO:
        lifted = read_taps(planes, f, x, y, photos, LIFTED_PHOTO_COLUMN, LIFTED_PLANES)
        red += (mix_taps(lifted, 0) - red) * lift
        green += (mix_taps(lifted, 8) - green) * lift
        blue += (mix_taps(lifted, 16) - blue) * lift
    return red, green, blue, mix_taps(taps, 24)
