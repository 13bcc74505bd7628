"""Add looks to a track where the person moved far between two looks."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from motion_imitate.estimators.blazepose import LANDMARK_COUNT, PersonLandmarks
from motion_imitate.estimators.roi import RgbImage, Roi
from motion_imitate.estimators.track import LandmarkDetector, PersonTrack, Tracking, continues_track


def add_looks_between(
    trail: PersonTrack,
    looked: Sequence[int],
    images: Sequence[RgbImage],
    seconds: Sequence[float],
    glance: LandmarkDetector,
    how: Tracking,
) -> list[int]:
    """Look halfway between the looks at the images `looked`, again and again, where the person moved far; returns all
    images that were looked at."""
    all_looked, gaps = list(looked), list(pairwise(looked))
    while gaps:
        first, last = gaps.pop()
        middle = (first + last) // 2
        if middle == first or first not in trail.looks or last not in trail.looks:
            continue
        before, after = trail.looks[first], trail.looks[last]
        if landmark_movement(before, after) < how.moved:
            continue
        seen = glance(images[middle], mean_roi(before.next_roi(), after.next_roi()), ())
        if all(
            continues_track(seen, one, seconds[middle] - seconds[at], how)
            for at, one in ((first, before), (last, after))
        ):
            trail.looks[middle] = seen
            all_looked.append(middle)
            gaps += [(first, middle), (middle, last)]
    trail.looks = dict(sorted(trail.looks.items()))
    return sorted(all_looked)


def landmark_movement(a: PersonLandmarks, b: PersonLandmarks) -> float:
    """Root mean square distance of the landmarks between two looks, in crop sides, weighted by visibility."""
    square = ((a.points[:LANDMARK_COUNT] - b.points[:LANDMARK_COUNT]) ** 2).sum(1)
    weight = a.visible + b.visible + 1e-6
    return float(np.sqrt((square * weight).sum() / weight.sum()) / max(a.roi.side, b.roi.side))


def mean_roi(a: Roi, b: Roi) -> Roi:
    """The crop halfway between two crops."""
    turn = math.remainder(b.turn - a.turn, 2 * math.pi)
    return Roi((a.x + b.x) / 2, (a.y + b.y) / 2, (a.side + b.side) / 2, a.turn + turn / 2)
