"""Compiled loops of `fill.inpaint_hidden`: patch matching, voting and blending.

An image is float32 [H, W, 3], NaN where it is not known yet. A guide [H, W, 4] is a colour that each pixel should have,
and the weight of that. A field [H, W, 2] holds, for the patch around each wanted
pixel, the row and column of the centre of the best matching patch, and -1 elsewhere. Only patches whose every pixel was
known from the start are `usable`. Lists of pixels are [N, 2], rows and columns.
"""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import Floats, compile_kernel

PATCH_REACH = 3  # patches are 7 x 7
VERTICAL_COST = 0.6  # cost of a vertical offset of one image height: floors stay floors
HORIZONTAL_COST = 0.06  # cost of a horizontal offset of one image height
SEAM_WEIGHT = 0.5  # weight of seam costs relative to patch distances
DOWN, ACROSS = (-1, 1, 0, 0), (0, 0, -1, 1)  # the four neighbours

Flags = NDArray[np.bool_]
PatchField = NDArray[np.int32]
PatchList = NDArray[np.int64]


@compile_kernel
def patch_distance(image: Floats, guide: Floats, y: int, x: int, v: int, u: int, limit: float) -> float:
    """Distance between the patches around (y, x) and (v, u), over known pixels of the first; infinite above `limit`.

    The colour at (v, u) should be that of the guide at (y, x).
    """
    height, width, _ = image.shape
    stray = VERTICAL_COST * ((v - y) / height) ** 2 + HORIZONTAL_COST * ((u - x) / width) ** 2
    if guide[y, x, 3] > 0:
        for c in range(3):
            stray += guide[y, x, 3] * (image[v, u, c] - guide[y, x, c]) ** 2
    top, bottom = max(-PATCH_REACH, -y), min(PATCH_REACH, height - 1 - y)
    left, right = max(-PATCH_REACH, -x), min(PATCH_REACH, width - 1 - x)
    most = (limit - stray) * (bottom - top + 1) * (right - left + 1)
    total, count = np.float32(0), 0
    for i in range(top, bottom + 1):
        for j in range(left, right + 1):
            if not np.isnan(image[y + i, x + j, 0]):
                count += 1
                for c in range(3):
                    d = image[y + i, x + j, c] - image[v + i, u + j, c]
                    total += d * d
        if total > most:
            return np.inf
    return total / max(count, 1) + stray


@compile_kernel
def neighbour_source(field: PatchField, y: int, x: int, i: int, j: int) -> tuple[int, int]:
    """The source of (y, x) if it continued the patch of its neighbour at (y + i, x + j); (-1, -1) if there is none."""
    height, width, _ = field.shape
    if not (0 <= y + i < height and 0 <= x + j < width) or field[y + i, x + j, 0] < 0:
        return -1, -1
    return field[y + i, x + j, 0] - i, field[y + i, x + j, 1] - j


@compile_kernel
def is_usable_patch(usable: Flags, v: int, u: int) -> bool:
    """Whether (v, u) is inside the image and the centre of a usable patch."""
    return bool(0 <= v < usable.shape[0] and 0 <= u < usable.shape[1] and usable[v, u])


@compile_kernel
def touches_known(image: Floats, y: int, x: int) -> bool:
    """Whether a pixel or one of its eight neighbours is known."""
    height, width, _ = image.shape
    for v in range(max(y - 1, 0), min(y + 2, height)):
        for u in range(max(x - 1, 0), min(x + 2, width)):
            if not np.isnan(image[v, u, 0]):
                return True
    return False


@compile_kernel
def fill_from_border(image: Floats, guide: Floats, sources: PatchList, field: PatchField) -> None:
    """Fill unknown pixels from the border inwards, each from the one of the patches `sources` that best matches its
    surroundings."""
    height, width, _ = image.shape
    unknown = True
    while unknown:
        unknown = False
        now = image.copy()
        for y in range(height):
            for x in range(width):
                if not np.isnan(now[y, x, 0]):
                    continue
                unknown = True
                if not touches_known(now, y, x):
                    continue
                best, found = np.inf, 0
                for k in range(len(sources)):
                    cost = patch_distance(now, guide, y, x, sources[k, 0], sources[k, 1], best)
                    if cost < best:
                        best, found = cost, k
                v, u = sources[found, 0], sources[found, 1]
                field[y, x, 0], field[y, x, 1] = v, u
                for c in range(3):
                    image[y, x, c] = image[v, u, c]


@compile_kernel
def try_patch(
    image: Floats, guide: Floats, usable: Flags, field: PatchField, cost: Floats, pixel: tuple[int, int], v: int, u: int
) -> None:
    """Use (v, u) as the match of the pixel if it is better than the current one."""
    y, x = pixel
    if is_usable_patch(usable, v, u) and not (field[y, x, 0] == v and field[y, x, 1] == u):
        found = patch_distance(image, guide, y, x, v, u, cost[y, x])
        if found < cost[y, x]:
            cost[y, x] = found
            field[y, x, 0], field[y, x, 1] = v, u


@compile_kernel
def improve_matches(
    image: Floats,
    guide: Floats,
    usable: Flags,
    wanted: PatchField,
    field: PatchField,
    cost: Floats,
    rounds: int,
    seed: int,
) -> None:
    """Improve the field with PatchMatch: propagate matches of neighbours, and search at random in shrinking windows."""
    dice = seed
    for y, x in wanted:
        cost[y, x] = patch_distance(image, guide, y, x, field[y, x, 0], field[y, x, 1], np.inf)
    for turn in range(rounds):
        step = 1 - 2 * (turn % 2)
        for y, x in wanted[::step]:
            for i, j in ((-step, 0), (0, -step)):
                v, u = neighbour_source(field, y, x, i, j)
                try_patch(image, guide, usable, field, cost, (y, x), v, u)
            radius = max(usable.shape)
            while radius >= 1:
                dice = (dice * 1664525 + 1013904223) & 0xFFFFFFFF
                v = field[y, x, 0] + (dice >> 8) % (2 * radius + 1) - radius
                dice = (dice * 1664525 + 1013904223) & 0xFFFFFFFF
                u = field[y, x, 1] + (dice >> 8) % (2 * radius + 1) - radius
                try_patch(image, guide, usable, field, cost, (y, x), v, u)
                radius //= 2


@compile_kernel
def vote_colours(
    image: Floats, hidden: PatchField, field: PatchField, cost: Floats, sure: Floats, spread: float
) -> None:
    """Set each hidden pixel to the mean over the patches that cover it, weighted by match quality and confidence."""
    height, width = cost.shape
    fresh = np.zeros((len(hidden), 3), np.float32)
    for k in range(len(hidden)):
        y, x = hidden[k]
        total = 0.0
        for i in range(max(-PATCH_REACH, -y), min(PATCH_REACH, height - 1 - y) + 1):
            for j in range(max(-PATCH_REACH, -x), min(PATCH_REACH, width - 1 - x) + 1):
                v, u = neighbour_source(field, y, x, i, j)
                weight = sure[y + i, x + j] * np.exp(-cost[y + i, x + j] / spread) + 1e-12
                total += weight
                for c in range(3):
                    fresh[k, c] += weight * image[v, u, c]
        for c in range(3):
            fresh[k, c] /= total
    for k in range(len(hidden)):
        for c in range(3):
            image[hidden[k, 0], hidden[k, 1], c] = fresh[k, c]


@compile_kernel
def seam_cost(image: Floats, field: PatchField, y: int, x: int, v: int, u: int) -> float:
    """Cost of the seams between (y, x), if taken from (v, u), and its neighbours."""
    height, width, _ = image.shape
    total = 0.0
    for i, j in zip(DOWN, ACROSS):  # noqa: B905  numba does not support strict
        q, p = neighbour_source(field, y, x, i, j)
        if (q < 0 and p < 0) or (q == v and p == u):
            continue
        total += 0.002
        for c in range(3):
            if 0 <= q < height and 0 <= p < width:
                total += (image[v, u, c] - image[q, p, c]) ** 2
            total += (image[v + i, u + j, c] - image[q + i, p + j, c]) ** 2
    return total


@compile_kernel
def merge_patches(
    image: Floats, guide: Floats, usable: Flags, wanted: PatchField, field: PatchField, rounds: int
) -> None:
    """Let pixels adopt the source of a neighbour, so that copied pieces become larger and seams less visible."""
    for turn in range(rounds):
        for y, x in wanted[:: 1 - 2 * (turn % 2)]:
            v, u = field[y, x]
            best = patch_distance(image, guide, y, x, v, u, np.inf) + SEAM_WEIGHT * seam_cost(image, field, y, x, v, u)
            for i, j in zip(DOWN, ACROSS):  # noqa: B905
                v, u = neighbour_source(field, y, x, i, j)
                if is_usable_patch(usable, v, u) and not (field[y, x, 0] == v and field[y, x, 1] == u):
                    energy = patch_distance(image, guide, y, x, v, u, best) + SEAM_WEIGHT * seam_cost(
                        image, field, y, x, v, u
                    )
                    if energy < best:
                        best = energy
                        field[y, x, 0], field[y, x, 1] = v, u


@compile_kernel
def target_gradients(image: Floats, known: Flags, hidden: PatchField, field: PatchField) -> Floats:
    """The sum of differences to its neighbours that each hidden pixel should have, taken from the copied patches."""
    height, width, _ = image.shape
    total = np.zeros((len(hidden), 3), np.float32)
    for k in range(len(hidden)):
        y, x = hidden[k]
        v, u = field[y, x]
        for i, j in zip(DOWN, ACROSS):  # noqa: B905
            if not (0 <= y + i < height and 0 <= x + j < width):
                continue
            for c in range(3):
                step = image[v, u, c] - image[v + i, u + j, c]
                if not known[y + i, x + j]:
                    q, p = field[y + i, x + j]
                    step = (step + image[q - i, p - j, c] - image[q, p, c]) / 2
                total[k, c] += step
    return total


@compile_kernel
def solve_brightness(out: Floats, hidden: PatchField, aim: Floats, hold: float, rounds: int) -> None:
    """Solve for hidden pixels of `out` whose differences to their neighbours are `aim`, in place.

    `hold` pulls them towards their original values, which limits how far a wrong colour at the border spreads.
    """
    height, width, _ = out.shape
    aim = aim.copy()
    for k in range(len(hidden)):
        aim[k] += hold * out[hidden[k, 0], hidden[k, 1]]
    for _ in range(rounds):
        for k in range(len(hidden)):
            y, x = hidden[k]
            near = hold + (y > 0) + (y < height - 1) + (x > 0) + (x < width - 1)
            for c in range(3):
                total = aim[k, c]
                if y > 0:
                    total += out[y - 1, x, c]
                if y < height - 1:
                    total += out[y + 1, x, c]
                if x > 0:
                    total += out[y, x - 1, c]
                if x < width - 1:
                    total += out[y, x + 1, c]
                out[y, x, c] += 1.8 * (total / near - out[y, x, c])


@compile_kernel
def copy_patches(out: Floats, hidden: Flags, field: PatchField, shade: Floats, times: int) -> None:
    """Fill hidden pixels of a photo `times` as large as the field with the matched pixels plus `shade`, in place.

    Patches blend into each other over one pixel of the field. Pixels without a match are left unchanged.
    """
    height, width = hidden.shape
    for y, x in np.argwhere(hidden):
        b, a = (y + 0.5) / times - 0.5, (x + 0.5) / times - 0.5
        top, left = int(np.floor(b)), int(np.floor(a))
        total, colour = 0.0, np.zeros(3)
        for r in range(max(top, 0), min(top + 2, len(field))):
            for s in range(max(left, 0), min(left + 2, field.shape[1])):
                v, u = y + times * (field[r, s, 0] - r), x + times * (field[r, s, 1] - s)
                if field[r, s, 0] < 0 or not (0 <= v < height and 0 <= u < width) or hidden[v, u]:
                    continue
                weight = (1 - abs(b - r)) * (1 - abs(a - s))
                total += weight
                for c in range(3):
                    colour[c] += weight * (out[v, u, c] + shade[r, s, c])
        if total > 0:
            for c in range(3):
                out[y, x, c] = min(max(colour[c] / total, 0.0), 1.0)
