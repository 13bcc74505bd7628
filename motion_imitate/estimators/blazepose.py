"""BlazePose: where people are in a picture, and 33 landmarks, their places in space and a mask of one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from motion_imitate.estimators.nets import Net
from motion_imitate.estimators.roi import Floats, Picture, Roi, around, crop
from motion_imitate.estimators.ssd import Layout, detect, sigmoid

DETECTOR = Layout(224, ((8, 2), (16, 2), (32, 6)))
SIZE = 256  # of the landmark network's picture
MASK = 128  # of the masks that are kept
MARGIN = 1.25
POINTS = 33
CENTRE, RIM = 33, 34  # two further points: the mid-hip, and one on the circle round the whole person
SIDES = ((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), *((i, i + 1) for i in range(11, 33, 2)))
MIRRORED = np.arange(39)
for pair in SIDES:
    MIRRORED[list(pair)] = pair[::-1]
SHOULDERS, HIPS = (11, 12), (23, 24)
TORSO = (*SHOULDERS, *HIPS)


@dataclass(frozen=True)
class Look:
    """What the landmark network says of a square of a picture, in the picture's pixels."""

    roi: Roi
    score: float  # of there being a person
    points: Floats  # [35, 2]
    world: Floats  # [33, 3], metres from the mid-hip, in the picture's axes
    visible: Floats  # [33]
    mask: Floats  # [256, 256] over the square: log odds of being the person

    def next_roi(self) -> Roi:
        """Where to look for the same person next."""
        return around(self.points[CENTRE], self.points[RIM], MARGIN)


@dataclass(frozen=True)
class Candidate:
    """Perhaps a person."""

    roi: Roi
    score: float


def candidates(net: Net, image: Picture, least: float) -> list[Candidate]:
    """Whom the detector sees in the whole picture and in squares of it, each once, the largest first."""
    seen = []
    for left, top, side in squares(image.shape[0], image.shape[1]):
        part = image[top : top + side, left : left + side]
        for found in detect(net, DETECTOR, part, least):
            corner = np.array([left, top], np.float32)
            roi = around(found.points[0] + corner, found.points[1] + corner, MARGIN)
            seen.append(Candidate(roi, found.score))
    out: list[Candidate] = []
    for one in sorted(seen, key=lambda c: -c.score):
        if one.roi.side > 16 and not any(alike(one.roi, other.roi) for other in out):
            out.append(one)
    return sorted(out, key=lambda c: -c.roi.side)


def squares(height: int, width: int) -> list[tuple[int, int, int]]:
    """Left, top, side: the whole picture first, then overlapping squares along its longer side."""
    short, long = sorted((height, width))
    whole = (0, 0, long)
    if long < 1.2 * short:
        return [whole]
    count = -(-int(long - 0.2 * short) // int(0.8 * short))
    steps = [round(i * (long - short) / (count - 1)) for i in range(count)] if count > 1 else [0]
    return [whole, *((0, s, short) if height > width else (s, 0, short) for s in steps)]


def alike(a: Roi, b: Roi) -> bool:
    """Whether both squares seem to be round the same person."""
    far = np.hypot(a.x - b.x, a.y - b.y) > 0.12 * max(a.side, b.side)
    return bool(not far and 0.6 < a.side / b.side < 1.7)


def look(net: Net, image: Picture, roi: Roi, mirror: bool = False, hide: Sequence["Look"] = ()) -> Look:
    """The landmarks in a square; with `mirror`, what is seen in its mirror image counts as much.

    People seen before may be hidden, so that somebody behind them is looked at.
    """
    part = (crop(image, roi, SIZE) / np.float32(255)).astype(np.float32)
    for other in hide:
        paint_over(part, roi, other)
    seen = read(net, part)
    if mirror:
        seen = mean(seen, unmirrored(read(net, part[:, ::-1])))
    axes = roi.axes()
    world = seen.world[:POINTS] - seen.world[list(HIPS)].mean(0)
    world[:, :2] = world[:, :2] @ axes.T
    return Look(roi, seen.score, roi.out(seen.points[: RIM + 1], SIZE), world, seen.visible[:POINTS], seen.mask)


def paint_over(part: Floats, roi: Roi, other: Look) -> None:
    """Give the other person the mean colour of what else is in the square."""
    inverse = cv2.invertAffineTransform(other.roi.matrix(SIZE))
    matrix = inverse[:, :2] @ roi.matrix(SIZE)
    matrix[:, 2] += inverse[:, 2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    odds = cv2.warpAffine(other.mask, matrix, (SIZE, SIZE), flags=flags, borderValue=(-9.0,))
    hidden = cv2.dilate((odds > -1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if not hidden.all():
        part[hidden] = part[~hidden].mean(0)


@dataclass(frozen=True)
class Reading:
    """What the landmark network says, in the pixels of its picture."""

    points: Floats  # [39, 2]
    world: Floats  # [39, 3]
    visible: Floats  # [39]
    score: float
    mask: Floats  # [256, 256]


def read(net: Net, part: Floats) -> Reading:
    landmarks, score, mask, heat, world = net(part[None])
    rows = landmarks.reshape(39, 5)
    points = sharpened(rows[:, :2], heat[0])
    return Reading(points, world.reshape(39, 3), sigmoid(rows[:, 3]), float(score.ravel()[0]), mask[0, :, :, 0])


def unmirrored(seen: Reading) -> Reading:
    """What was seen in the mirror image, where it truly is."""
    points, world = seen.points[MIRRORED].copy(), seen.world[MIRRORED].copy()
    points[:, 0] = SIZE - points[:, 0]
    world[:, 0] *= -1
    return Reading(points, world, seen.visible[MIRRORED], seen.score, np.ascontiguousarray(seen.mask[:, ::-1]))


def mean(a: Reading, b: Reading) -> Reading:
    """Of all but the places in space, which stay the first's: the mirror image's were measured to make fits worse."""
    return Reading(
        np.asarray((a.points + b.points) / 2, np.float32),
        a.world,
        np.asarray((a.visible + b.visible) / 2, np.float32),
        (a.score + b.score) / 2,
        np.asarray((a.mask + b.mask) / 2, np.float32),
    )


def sharpened(points: Floats, heat: Floats, reach: int = 4, least: float = 0.5) -> Floats:
    """Each point at the mean of its heat map near it, where that map is sure of anything there."""
    size = heat.shape[0]
    place = np.floor(points * (size / SIZE)).astype(np.int64)
    steps = np.arange(-reach, reach + 1)
    x, y = place[:, :1] + steps, place[:, 1:] + steps  # [39, 9]
    inside = ((x >= 0) & (x < size))[:, None, :] & ((y >= 0) & (y < size))[:, :, None]
    every = np.arange(len(points))[:, None, None]
    near = sigmoid(heat[y.clip(0, size - 1)[:, :, None], x.clip(0, size - 1)[:, None, :], every]) * inside
    total = near.sum((1, 2)).clip(1e-9)
    mean = np.stack([(near.sum(1) * x).sum(1), (near.sum(2) * y).sum(1)], 1) / total[:, None]
    centre = ((place >= 0) & (place < size)).all(1)
    sure = centre & (near.max((1, 2)) >= least)
    return np.where(sure[:, None], mean * (SIZE / size), points).astype(np.float32)


def kept_mask(logits: Floats) -> Picture:
    """A mask as a Sighting holds it."""
    odds = cv2.exp(np.clip(-logits, -30, 30))
    return np.asarray(cv2.resize(255 / (1 + odds), (MASK, MASK), interpolation=cv2.INTER_AREA) + 0.5, np.uint8)


def similarity(a: Look, b: Look) -> float:
    """Object keypoint similarity: 1 where all landmarks agree, 0 where none does."""
    distance = ((a.points[:POINTS] - b.points[:POINTS]) ** 2).sum(1)
    near = np.exp(-distance / (2 * (0.08 * a.roi.side) ** 2))
    return float((near * a.visible).sum() / (a.visible.sum() + 1e-6))
