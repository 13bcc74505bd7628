"""CPU kernels that draw an avatar: the same operations in float32 as `draw` in plain PyTorch.

Loops call inner functions of one face or one pixel, which allocate nothing, so that the same code can become kernels
for a GPU with one thread per face and one per pixel. `draw.ScreenFaces` explains corners and planes.
"""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.avatar.avatar import OPAQUE_ALPHA, THICK_ALPHA
from motion_imitate.compositing.compose_numba import round_to_byte
from motion_imitate.geometry.raster_numba import HALF, ONE, ZERO, Floats, Ints, compile_kernel, inline_kernel

FAINT_ALPHA = 8  # of 255: less is not drawn
OPAQUE, OPAQUE_THICK, FAINT = np.float32(OPAQUE_ALPHA), np.float32(THICK_ALPHA), np.float32(FAINT_ALPHA)
FULL, QUARTER = np.float32(255), np.float32(0.25)
SOLID, SOFT = 0, 1  # of the sample buffers: the nearest opaque and the nearest translucent face

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.int32]
Colour = tuple[np.float32, np.float32, np.float32]
Place = tuple[np.float32, np.float32]
Edge = tuple[np.float32, np.float32, np.float32]  # x and y of its upper end, and the change of x per row
Taps = tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.float32, np.float32]
PixelColour = tuple[np.float32, np.float32, np.float32, np.float32]  # premultiplied RGB, and alpha, 0 to 255


@compile_kernel
def directed_edge(xa: np.float32, ya: np.float32, xb: np.float32, yb: np.float32) -> Edge:
    """An edge from its upper end on: the same for both faces that share it, so that no sample falls between them."""
    if ya <= yb:
        return xa, ya, (xb - xa) / (yb - ya)
    return xb, yb, (xa - xb) / (ya - yb)


@compile_kernel
def first_centre(at: np.float32, count: int) -> int:
    """The first of `count` samples whose centre is not before `at`; `count` if there is none."""
    return int(min(max(np.ceil(at - HALF), ZERO), np.float32(count)))


@inline_kernel
def texel_place(planes: Floats, f: int | np.int32, x: np.float32, y: np.float32) -> Place:
    """Where a face reads its photo at (x, y) in samples, at most a texel outside the face's corners."""
    over, down = x - planes[f, 0], y - planes[f, 1]
    u = planes[f, 3] + planes[f, 6] * over + planes[f, 9] * down
    v = planes[f, 4] + planes[f, 7] * over + planes[f, 10] * down
    return min(max(u, planes[f, 11]), planes[f, 13]), min(max(v, planes[f, 12]), planes[f, 14])


@inline_kernel
def texel_taps(photos: Bytes, place: Place) -> Taps:
    """The left, top, right and bottom texels around a place, and how far it is from the left and the top ones."""
    left, top = np.int32(place[0]), np.int32(place[1])
    right, bottom = min(left + 1, photos.shape[2] - 1), min(top + 1, photos.shape[1] - 1)
    over, down = place[0] - np.float32(left), place[1] - np.float32(top)
    return np.uint64(left), np.uint64(top), np.uint64(right), np.uint64(bottom), over, down


@inline_kernel
def read_channel(photos: Bytes, n: int, taps: Taps, channel: int) -> np.float32:
    """Bilinear read of one channel, 0 to 255."""
    left, top, right, bottom, over, down = taps
    a, b = np.float32(photos[n, top, left, channel]), np.float32(photos[n, top, right, channel])
    c, d = np.float32(photos[n, bottom, left, channel]), np.float32(photos[n, bottom, right, channel])
    above, below = a + (b - a) * over, c + (d - c) * over
    return above + (below - above) * down


@inline_kernel
def draw_avatar_face(
    f: int,
    corners: Floats,
    planes: Floats,
    photo: Ints,
    thick: Bools,
    solid: Bools,
    photos: Bytes,
    near: Floats,
    face: Numbers,
) -> None:
    """Write one face to the samples it covers, where it is the nearest opaque or the nearest translucent one."""
    x0, y0 = corners[f, 0, 0], corners[f, 0, 1]
    x1, y1 = corners[f, 1, 0], corners[f, 1, 1]
    x2, y2 = corners[f, 2, 0], corners[f, 2, 1]
    if y1 < y0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    if y2 < y1:
        x1, y1, x2, y2 = x2, y2, x1, y1
    if y1 < y0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    height, width = near.shape[1], near.shape[2]
    long, upper, lower = directed_edge(x0, y0, x2, y2), directed_edge(x0, y0, x1, y1), directed_edge(x1, y1, x2, y2)
    read_alpha, opaque = not solid[f], OPAQUE_THICK if thick[f] else OPAQUE
    for row in range(first_centre(y0, height), first_centre(y2, height)):
        y = np.float32(row) + HALF
        short = upper if y < y1 else lower
        one, other = long[0] + (y - long[1]) * long[2], short[0] + (y - short[1]) * short[2]
        start = planes[f, 2] + planes[f, 8] * (y - planes[f, 1])
        left, right = first_centre(min(one, other), width), first_centre(max(one, other), width)
        for column in range(np.uint64(left), np.uint64(right)):  # unsigned: numba checks others for wraparound
            x = np.float32(np.int64(column)) + HALF
            nearness = start + planes[f, 5] * (x - planes[f, 0])
            if not nearness > near[SOLID, row, column]:
                continue
            kind = SOLID
            if read_alpha:
                alpha = read_channel(photos, photo[f], texel_taps(photos, texel_place(planes, f, x, y)), 3)
                if alpha <= opaque:
                    if alpha < FAINT or nearness <= near[SOFT, row, column]:
                        continue
                    kind = SOFT
            near[kind, row, column] = nearness
            face[kind, row, column] = f


@inline_kernel
def read_face_colour(f: np.int32, x: np.float32, y: np.float32, planes: Floats, photo: Ints, photos: Bytes) -> Colour:
    """A face's colour at (x, y) in samples, 0 to 255."""
    taps, n = texel_taps(photos, texel_place(planes, f, x, y)), photo[f]
    return read_channel(photos, n, taps, 0), read_channel(photos, n, taps, 1), read_channel(photos, n, taps, 2)


@inline_kernel
def mix_pixel_samples(
    row: int, column: int, planes: Floats, photo: Ints, photos: Bytes, near: Floats, face: Numbers
) -> PixelColour:
    """Mean over a pixel's 2 x 2 samples of the nearest translucent face over the nearest opaque one.

    A face is coloured as at the pixel's centre: colours read at each sample would be blurred.
    """
    x, y = np.float32(2 * column + 1), np.float32(2 * row + 1)
    red = green = blue = cover = ZERO
    last, r, g, b = np.int32(-1), ZERO, ZERO, ZERO  # one read serves neighbouring samples of the same face
    for k in range(4):
        down, over = k >> 1, (k ^ (k >> 1)) & 1  # round the pixel
        j, i = np.uint64(2 * row + down), np.uint64(2 * column + over)
        left, nearest = ONE, near[SOLID, j, i]
        if near[SOFT, j, i] > nearest:
            f = face[SOFT, j, i]
            place = texel_place(planes, f, x + np.float32(over) - HALF, y + np.float32(down) - HALF)
            alpha = read_channel(photos, photo[f], texel_taps(photos, place), 3) / FULL
            if f != last:
                r, g, b = read_face_colour(f, x, y, planes, photo, photos)
                last = f
            red, green, blue, cover = red + alpha * r, green + alpha * g, blue + alpha * b, cover + alpha
            left = ONE - alpha
        if nearest > ZERO:
            f = face[SOLID, j, i]
            if f != last:
                r, g, b = read_face_colour(f, x, y, planes, photo, photos)
                last = f
            red, green, blue, cover = red + left * r, green + left * g, blue + left * b, cover + left
    return red * QUARTER, green * QUARTER, blue * QUARTER, cover * (QUARTER * FULL)


@inline_kernel
def pixel_has_samples(row: int, column: int, near: Floats) -> bool:
    """Whether any face covers one of a pixel's samples."""
    j, i = 2 * row, 2 * column
    solid = near[SOLID, j, i] + near[SOLID, j, i + 1] + near[SOLID, j + 1, i] + near[SOLID, j + 1, i + 1]
    soft = near[SOFT, j, i] + near[SOFT, j, i + 1] + near[SOFT, j + 1, i] + near[SOFT, j + 1, i + 1]
    return solid + soft > ZERO


@compile_kernel
def find_nearest_faces(
    corners: Floats,
    planes: Floats,
    photo: Ints,
    thick: Bools,
    solid: Bools,
    photos: Bytes,
    near: Floats,
    face: Numbers,
) -> None:
    """Fill the sample buffers [2, 2 H, 2 W]: how near the nearest opaque and translucent faces are, and which.

    Where there is none, `near` is 0 and `face` is left as it was.
    """
    near[:] = ZERO
    for f in range(len(corners)):
        draw_avatar_face(f, corners, planes, photo, thick, solid, photos, near, face)


@compile_kernel
def mix_samples(window: Floats, planes: Floats, photo: Ints, photos: Bytes, near: Floats, face: Numbers) -> None:
    """Fill the window [H, W, 4] with premultiplied colour and alpha, 0 to 255."""
    for row in range(window.shape[0]):
        for column in range(window.shape[1]):
            r = g = b = a = ZERO
            if pixel_has_samples(row, column, near):
                r, g, b, a = mix_pixel_samples(row, column, planes, photo, photos, near, face)
            window[row, column, 0], window[row, column, 1], window[row, column, 2] = r, g, b
            window[row, column, 3] = a


@compile_kernel
def blend_samples(
    picture: Bytes, top: int, left: int, planes: Floats, photo: Ints, photos: Bytes, near: Floats, face: Numbers
) -> None:
    """Blend the samples into a picture [H, W, 3], or [H, W, 4] with straight alpha, from (top, left) on."""
    for row in range(near.shape[1] // 2):
        for column in range(near.shape[2] // 2):
            if not pixel_has_samples(row, column, near):
                continue
            y, x = top + row, left + column
            r, g, b, a = mix_pixel_samples(row, column, planes, photo, photos, near, face)
            behind, scale = ONE - a / FULL, ONE
            if picture.shape[2] == 4:
                behind *= np.float32(picture[y, x, 3]) / FULL
                a += behind * FULL
                scale = FULL / a
                picture[y, x, 3] = round_to_byte(a)
            picture[y, x, 0] = round_to_byte((r + behind * np.float32(picture[y, x, 0])) * scale)
            picture[y, x, 1] = round_to_byte((g + behind * np.float32(picture[y, x, 1])) * scale)
            picture[y, x, 2] = round_to_byte((b + behind * np.float32(picture[y, x, 2])) * scale)
