"""Compiled loops of `background.behind`: patches that look alike, and what they say of the pixels they cover.

An image is float32 [H, W, 3], NaN where it is not known yet. A field [H, W, 2] holds for the patch around each wanted
pixel the row and column of the pixel whose patch looks most like it, and -1 elsewhere; only patches whose every pixel
was known from the start are `usable`. Lists of pixels are [N, 2], rows and columns.
"""

import numpy as np
from numpy.typing import NDArray

from motion_imitate.geometry.raster_numba import Floats, compiled

REACH = 3  # patches are 7 x 7
STRAY = 0.6  # what it costs to look as far up or down as the image is high: floors stay floors
ASIDE = 0.06  # and as far to the side
SEAM = 0.5  # what a seam's steps cost against how unlike patches are
DOWN, ACROSS = (-1, 1, 0, 0), (0, 0, -1, 1)  # the four neighbours

Flags = NDArray[np.bool_]
Field = NDArray[np.int32]


@compiled
def apart(image: Floats, y: int, x: int, v: int, u: int, limit: float) -> float:
    """How unlike the patches around (y, x) and (v, u) are, where the first is known; infinite if above the limit."""
    height, width, _ = image.shape
    stray = STRAY * ((v - y) / height) ** 2 + ASIDE * ((u - x) / width) ** 2
    top, bottom = max(-REACH, -y), min(REACH, height - 1 - y)
    left, right = max(-REACH, -x), min(REACH, width - 1 - x)
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


@compiled
def beside(field: Field, y: int, x: int, i: int, j: int) -> tuple[int, int]:
    """What (y, x) would be taken from if it were of one piece with its neighbour at (y + i, x + j); or (-1, -1)."""
    height, width, _ = field.shape
    if not (0 <= y + i < height and 0 <= x + j < width) or field[y + i, x + j, 0] < 0:
        return -1, -1
    return field[y + i, x + j, 0] - i, field[y + i, x + j, 1] - j


@compiled
def can(usable: Flags, v: int, u: int) -> bool:
    return bool(0 <= v < usable.shape[0] and 0 <= u < usable.shape[1] and usable[v, u])


@compiled
def peel(image: Floats, usable: Flags, field: Field) -> None:
    """Makes up what is not known from its border inwards, each pixel from the patch most like what is round it."""
    height, width, _ = image.shape
    sources = np.argwhere(usable)
    while np.isnan(image[..., 0]).any():
        now = image.copy()
        for y in range(height):
            for x in range(width):
                near = now[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, 0]
                if not np.isnan(now[y, x, 0]) or np.isnan(near).all():
                    continue
                best, found = np.inf, 0
                for k in range(len(sources)):
                    cost = apart(now, y, x, sources[k, 0], sources[k, 1], best)
                    if cost < best:
                        best, found = cost, k
                field[y, x, 0], field[y, x, 1] = sources[found]
                image[y, x] = image[field[y, x, 0], field[y, x, 1]]


@compiled
def consider(image: Floats, usable: Flags, field: Field, cost: Floats, pixel: tuple[int, int], v: int, u: int) -> None:
    """Takes (v, u) for the pixel if it is better than what is there."""
    y, x = pixel
    if can(usable, v, u) and not (field[y, x, 0] == v and field[y, x, 1] == u):
        found = apart(image, y, x, v, u, cost[y, x])
        if found < cost[y, x]:
            cost[y, x] = found
            field[y, x, 0], field[y, x, 1] = v, u


@compiled
def match(image: Floats, usable: Flags, wanted: Field, field: Field, cost: Floats, rounds: int, seed: int) -> None:
    """Betters the field from neighbours' finds and at random, nearer and nearer, as PatchMatch does."""
    dice = seed
    for y, x in wanted:
        cost[y, x] = apart(image, y, x, field[y, x, 0], field[y, x, 1], np.inf)
    for turn in range(rounds):
        step = 1 - 2 * (turn % 2)
        for y, x in wanted[::step]:
            for i, j in ((-step, 0), (0, -step)):
                v, u = beside(field, y, x, i, j)
                consider(image, usable, field, cost, (y, x), v, u)
            radius = max(usable.shape)
            while radius >= 1:
                dice = (dice * 1664525 + 1013904223) & 0xFFFFFFFF
                v = field[y, x, 0] + (dice >> 8) % (2 * radius + 1) - radius
                dice = (dice * 1664525 + 1013904223) & 0xFFFFFFFF
                u = field[y, x, 1] + (dice >> 8) % (2 * radius + 1) - radius
                consider(image, usable, field, cost, (y, x), v, u)
                radius //= 2


@compiled
def vote(image: Floats, hidden: Field, field: Field, cost: Floats, sure: Floats, spread: float) -> None:
    """Gives each hidden pixel the mean of what the patches over it say, the best fitting and surest the loudest."""
    height, width = cost.shape
    fresh = np.zeros((len(hidden), 3), np.float32)
    for k in range(len(hidden)):
        y, x = hidden[k]
        total = 0.0
        for i in range(max(-REACH, -y), min(REACH, height - 1 - y) + 1):
            for j in range(max(-REACH, -x), min(REACH, width - 1 - x) + 1):
                v, u = beside(field, y, x, i, j)
                weight = sure[y + i, x + j] * np.exp(-cost[y + i, x + j] / spread) + 1e-12
                total += weight
                for c in range(3):
                    fresh[k, c] += weight * image[v, u, c]
        fresh[k] /= total
    for k in range(len(hidden)):
        image[hidden[k, 0], hidden[k, 1]] = fresh[k]


@compiled
def seams(image: Floats, field: Field, y: int, x: int, v: int, u: int) -> float:
    """How much would be seen of the seams between (y, x), were it taken from (v, u), and its neighbours."""
    height, width, _ = image.shape
    total = 0.0
    for i, j in zip(DOWN, ACROSS):  # noqa: B905  numba knows no strict
        q, p = beside(field, y, x, i, j)
        if (q < 0 and p < 0) or (q == v and p == u):
            continue
        total += 0.002
        for c in range(3):
            if 0 <= q < height and 0 <= p < width:
                total += (image[v, u, c] - image[q, p, c]) ** 2
            total += (image[v + i, u + j, c] - image[q + i, p + j, c]) ** 2
    return total


@compiled
def settle(image: Floats, usable: Flags, wanted: Field, field: Field, rounds: int) -> None:
    """Lets neighbours agree: what is copied comes in larger pieces, whose seams run where they are seen least."""
    for turn in range(rounds):
        for y, x in wanted[:: 1 - 2 * (turn % 2)]:
            v, u = field[y, x]
            best = apart(image, y, x, v, u, np.inf) + SEAM * seams(image, field, y, x, v, u)
            for i, j in zip(DOWN, ACROSS):  # noqa: B905
                v, u = beside(field, y, x, i, j)
                if can(usable, v, u) and not (field[y, x, 0] == v and field[y, x, 1] == u):
                    energy = apart(image, y, x, v, u, best) + SEAM * seams(image, field, y, x, v, u)
                    if energy < best:
                        best = energy
                        field[y, x, 0], field[y, x, 1] = v, u


@compiled
def steps(image: Floats, known: Flags, hidden: Field, field: Field) -> Floats:
    """By how much each hidden pixel should differ from all its neighbours together, as it does in what is copied."""
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


@compiled
def level(out: Floats, hidden: Field, aim: Floats, hold: float, rounds: int) -> None:
    """Moves hidden pixels of `out` till they differ from their neighbours by `aim`, held back to what they were.

    How hard they are held decides how far a wrong colour at the border runs.
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


@compiled
def copy(out: Floats, hidden: Flags, field: Field, shade: Floats, times: int) -> None:
    """Fills hidden pixels of a photo `times` as large as the field, from pixels of its own, plus the shade there.

    Pieces fade into each other over a pixel of the field. What finds nothing to copy stays.
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
