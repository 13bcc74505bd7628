"""Single-shot detectors: boxes and keypoints from a network that votes at fixed places of a square picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from motion_imitate.estimators.nets import Net
from motion_imitate.estimators.roi import Floats, Picture


@dataclass(frozen=True)
class Layout:
    """How a network's votes are spread: for each grid, the pixels between its places and the votes at each place."""

    size: int  # of the network's square picture
    grids: tuple[tuple[int, int], ...]

    def places(self) -> Floats:
        """[votes, 2], in the network's pixels."""
        out = []
        for step, votes in self.grids:
            y, x = np.mgrid[0 : self.size // step, 0 : self.size // step]
            out.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1) * step + step / 2, votes, 0))
        return np.concatenate(out).astype(np.float32)


@dataclass(frozen=True)
class Found:
    """Something seen, in the picture's pixels."""

    score: float
    box: Floats  # [4]: left, top, right, bottom
    points: Floats  # [K, 2]


def sigmoid(x: NDArray[np.floating]) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))), np.float32)


def detect(net: Net, layout: Layout, image: Picture, least: float) -> list[Found]:
    """What the network finds with a score of `least` or more, the surest first."""
    height, width = image.shape[:2]
    scale = layout.size / max(height, width)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (layout.size - small[0]) // 2, (layout.size - small[1]) // 2
    square = np.zeros((layout.size, layout.size, 3), np.float32)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[top : top + small[1], left : left + small[0]] = cv2.resize(image, small, interpolation=how)
    votes, scores = net(square[None] / 127.5 - 1)
    score = sigmoid(scores[0, :, 0])
    sure = score >= least
    places = layout.places()[sure]
    points = votes[0][sure].reshape(len(places), votes.shape[2] // 2, 2)  # box centre, box size, keypoints
    centre, size = points[:, 0] + places, points[:, 1]
    points = np.concatenate(
        [(centre - size / 2)[:, None], (centre + size / 2)[:, None], points[:, 2:] + places[:, None]], 1
    )
    points = (points - [left, top]) / [small[0] / width, small[1] / height]
    return merged(points.astype(np.float32), score[sure])


def merged(points: Floats, score: Floats) -> list[Found]:
    """Weighted non-maximum suppression: votes that mean the same thing are averaged."""
    out, left = [], np.argsort(-score)
    while len(left):
        best = left[0]
        same = agree(points[best], points[left])
        same[0] = True
        group = left[same]
        mean = np.average(points[group], axis=0, weights=score[group]).astype(np.float32)
        out.append(Found(float(score[best]), mean[:2].reshape(4), mean[2:]))
        left = left[~same]
    return out


def agree(best: Floats, votes: Floats, overlap: float = 0.3, apart: float = 0.3) -> NDArray[np.bool_]:
    """Which votes mean what the best one means: the boxes overlap, and the keypoints are near for their spread.

    Boxes alone would make one of two people who stand close.
    """
    distance = np.linalg.norm(votes[:, 2:] - best[2:], axis=2).mean(1)
    spread = np.linalg.norm(best[2:] - best[2:].mean(0), axis=1).mean()
    return np.asarray((overlaps(best[:2], votes[:, :2]) > overlap) & (distance < 2 * apart * spread))


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of a box [2, 2] with others [N, 2, 2]."""
    low, high = np.maximum(box[0], boxes[:, 0]), np.minimum(box[1], boxes[:, 1])
    both = np.prod(np.clip(high - low, 0, None), 1)
    area = np.prod(box[1] - box[0]) + np.prod(boxes[:, 1] - boxes[:, 0], axis=1) - both
    return np.asarray(both / np.maximum(area, 1e-9), np.float32)
