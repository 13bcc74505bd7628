"""BlazePose: detect people in an image, then 33 landmarks of a person in 2D and 3D, and a mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from motion_imitate.estimators.nets import InferenceNet
from motion_imitate.estimators.roi import RgbImage, Roi, RoiFloats, crop_roi, roi_around_circle
from motion_imitate.estimators.ssd import AnchorLayout, run_detector, sigmoid_array

PERSON_DETECTOR_LAYOUT = AnchorLayout(224, ((8, 2), (16, 2), (32, 6)))
LANDMARK_INPUT_SIZE = 256  # pixels per side of the landmark network's input
SIGHTING_MASK_SIZE = 128  # pixels per side of a Sighting's mask
PERSON_CROP_MARGIN = 1.25
LANDMARK_COUNT = 33
CENTRE_POINT, RIM_POINT = 33, 34  # auxiliary: the mid-hip, and a point on the circle around the whole person
MIRROR_PAIRS = ((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), *((i, i + 1) for i in range(11, 33, 2)))
MIRROR_ORDER = np.arange(39)
for pair in MIRROR_PAIRS:
    MIRROR_ORDER[list(pair)] = pair[::-1]
SHOULDER_LANDMARKS, HIP_LANDMARKS = (11, 12), (23, 24)
TORSO_LANDMARKS = (*SHOULDER_LANDMARKS, *HIP_LANDMARKS)


@dataclass(frozen=True)
class PersonLandmarks:
    """One look at a person: the landmark network's output for a square crop, in pixels of the image."""

    roi: Roi
    score: float  # probability that there is a person
    points: RoiFloats  # [35, 2]
    world: RoiFloats  # [33, 3], metres from the mid-hip, along the image's axes
    visible: RoiFloats  # [33]
    mask: RoiFloats  # [256, 256] over the square: log odds of the person

    def next_roi(self) -> Roi:
        """Where to look for the same person next."""
        return roi_around_circle(self.points[CENTRE_POINT], self.points[RIM_POINT], PERSON_CROP_MARGIN)


@dataclass(frozen=True)
class PersonCandidate:
    """A detected person who is not confirmed by the landmark network yet."""

    roi: Roi
    score: float


def detect_people(net: InferenceNet, image: RgbImage, least: float) -> list[PersonCandidate]:
    """People detected in the whole image and in squares of it, without duplicates, the largest first."""
    seen = []
    for left, top, side in detector_squares(image.shape[0], image.shape[1]):
        part = image[top : top + side, left : left + side]
        for found in run_detector(net, PERSON_DETECTOR_LAYOUT, part, least):
            corner = np.array([left, top], np.float32)
            roi = roi_around_circle(found.points[0] + corner, found.points[1] + corner, PERSON_CROP_MARGIN)
            seen.append(PersonCandidate(roi, found.score))
    out: list[PersonCandidate] = []
    for one in sorted(seen, key=lambda c: -c.score):
        if one.roi.side > 16 and not any(rois_match(one.roi, other.roi) for other in out):
            out.append(one)
    return sorted(out, key=lambda c: -c.roi.side)


def detector_squares(height: int, width: int) -> list[tuple[int, int, int]]:
    """Left, top and side of the squares to search: the whole image, then overlapping squares along its longer side."""
    short, long = sorted((height, width))
    whole = (0, 0, long)
    if long < 1.2 * short:
        return [whole]
    count = -(-int(long - 0.2 * short) // int(0.8 * short))
    steps = [round(i * (long - short) / (count - 1)) for i in range(count)] if count > 1 else [0]
    return [whole, *((0, s, short) if height > width else (s, 0, short) for s in steps)]


def rois_match(a: Roi, b: Roi) -> bool:
    """Whether two squares seem to contain the same person."""
    far = np.hypot(a.x - b.x, a.y - b.y) > 0.12 * max(a.side, b.side)
    return bool(not far and 0.6 < a.side / b.side < 1.7)


def detect_landmarks(
    net: InferenceNet, image: RgbImage, roi: Roi, mirror: bool = False, hide: Sequence["PersonLandmarks"] = ()
) -> PersonLandmarks:
    """Landmarks of the person in a square crop; `mirror` averages them with those of the mirrored crop.

    The people in `hide` are masked out, so that a person behind them can be found.
    """
    part = (crop_roi(image, roi, LANDMARK_INPUT_SIZE) / np.float32(255)).astype(np.float32)
    for other in hide:
        paint_over_person(part, roi, other)
    seen = run_landmark_net(net, part)
    if mirror:
        seen = average_mirrored(seen, undo_mirroring(run_landmark_net(net, part[:, ::-1])))
    axes = roi.axes()
    world = seen.world[:LANDMARK_COUNT] - seen.world[list(HIP_LANDMARKS)].mean(0)
    world[:, :2] = world[:, :2] @ axes.T
    return PersonLandmarks(
        roi,
        seen.score,
        roi.out(seen.points[: RIM_POINT + 1], LANDMARK_INPUT_SIZE),
        world,
        seen.visible[:LANDMARK_COUNT],
        seen.mask,
    )


def paint_over_person(part: RoiFloats, roi: Roi, other: PersonLandmarks) -> None:
    """Paint another person's mask with the mean colour of the rest of the crop."""
    inverse = cv2.invertAffineTransform(other.roi.matrix(LANDMARK_INPUT_SIZE))
    matrix = inverse[:, :2] @ roi.matrix(LANDMARK_INPUT_SIZE)
    matrix[:, 2] += inverse[:, 2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    odds = cv2.warpAffine(
        other.mask, matrix, (LANDMARK_INPUT_SIZE, LANDMARK_INPUT_SIZE), flags=flags, borderValue=(-9.0,)
    )
    hidden = cv2.dilate((odds > -1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if not hidden.all():
        part[hidden] = part[~hidden].mean(0)


@dataclass(frozen=True)
class RawLandmarks:
    """The landmark network's raw output, in pixels of its input."""

    points: RoiFloats  # [39, 2]
    world: RoiFloats  # [39, 3]
    visible: RoiFloats  # [39]
    score: float
    mask: RoiFloats  # [256, 256]


def run_landmark_net(net: InferenceNet, part: RoiFloats) -> RawLandmarks:
    """Run the landmark network on a crop and refine its landmarks by the heat map."""
    landmarks, score, mask, heat, world = net(part[None])
    rows = landmarks.reshape(39, 5)
    points = refine_by_heatmap(rows[:, :2], heat[0])
    return RawLandmarks(
        points, world.reshape(39, 3), sigmoid_array(rows[:, 3]), float(score.ravel()[0]), mask[0, :, :, 0]
    )


def undo_mirroring(seen: RawLandmarks) -> RawLandmarks:
    """Landmarks of a mirrored crop, mapped back to the original."""
    points, world = seen.points[MIRROR_ORDER].copy(), seen.world[MIRROR_ORDER].copy()
    points[:, 0] = LANDMARK_INPUT_SIZE - points[:, 0]
    world[:, 0] *= -1
    return RawLandmarks(points, world, seen.visible[MIRROR_ORDER], seen.score, np.ascontiguousarray(seen.mask[:, ::-1]))


def average_mirrored(a: RawLandmarks, b: RawLandmarks) -> RawLandmarks:
    """The average of both but for the 3D landmarks, which are `a`'s: averaging those was measured to make fits
    worse."""
    return RawLandmarks(
        np.asarray((a.points + b.points) / 2, np.float32),
        a.world,
        np.asarray((a.visible + b.visible) / 2, np.float32),
        (a.score + b.score) / 2,
        np.asarray((a.mask + b.mask) / 2, np.float32),
    )


def refine_by_heatmap(points: RoiFloats, heat: RoiFloats, reach: int = 4, least: float = 0.5) -> RoiFloats:
    """Move each landmark to the mean of its heat map nearby, where the map exceeds `least`."""
    size = heat.shape[0]
    place = np.floor(points * (size / LANDMARK_INPUT_SIZE)).astype(np.int64)
    steps = np.arange(-reach, reach + 1)
    x, y = place[:, :1] + steps, place[:, 1:] + steps  # [39, 9]
    inside = ((x >= 0) & (x < size))[:, None, :] & ((y >= 0) & (y < size))[:, :, None]
    every = np.arange(len(points))[:, None, None]
    near = sigmoid_array(heat[y.clip(0, size - 1)[:, :, None], x.clip(0, size - 1)[:, None, :], every]) * inside
    total = near.sum((1, 2)).clip(1e-9)
    mean = np.stack([(near.sum(1) * x).sum(1), (near.sum(2) * y).sum(1)], 1) / total[:, None]
    centre = ((place >= 0) & (place < size)).all(1)
    sure = centre & (near.max((1, 2)) >= least)
    return np.where(sure[:, None], mean * (LANDMARK_INPUT_SIZE / size), points).astype(np.float32)


def mask_to_uint8(logits: RoiFloats) -> RgbImage:
    """A mask's log odds as the 8-bit mask of a Sighting."""
    odds = cv2.exp(np.clip(-logits, -30, 30))
    return np.asarray(
        cv2.resize(255 / (1 + odds), (SIGHTING_MASK_SIZE, SIGHTING_MASK_SIZE), interpolation=cv2.INTER_AREA) + 0.5,
        np.uint8,
    )


def landmark_similarity(a: PersonLandmarks, b: PersonLandmarks) -> float:
    """Object keypoint similarity: 1 where all landmarks agree, 0 where none does."""
    distance = ((a.points[:LANDMARK_COUNT] - b.points[:LANDMARK_COUNT]) ** 2).sum(1)
    near = np.exp(-distance / (2 * (0.08 * a.roi.side) ** 2))
    return float((near * a.visible).sum() / (a.visible.sum() + 1e-6))


def share_on_mask(seen: PersonLandmarks, other: PersonLandmarks) -> float:
    """Share of a person's mask that lies on another's."""
    step = LANDMARK_INPUT_SIZE // 32
    pixels = np.argwhere(seen.mask[::step, ::step] > 0)[:, ::-1] * step + step / 2
    if not len(pixels):
        return 0.0
    return float(points_on_mask(other, seen.roi.out(pixels.astype(np.float32), LANDMARK_INPUT_SIZE)).mean())


def points_on_mask(seen: PersonLandmarks, points: RoiFloats) -> NDArray[np.bool_]:
    """Which points lie on the mask of the person."""
    matrix = seen.roi.matrix(LANDMARK_INPUT_SIZE)
    pixel = np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).round().astype(int)
    x, y = pixel.clip(0, LANDMARK_INPUT_SIZE - 1)
    return np.asarray((seen.mask[y, x] > 0) & np.all((pixel >= 0) & (pixel < LANDMARK_INPUT_SIZE), axis=0))
