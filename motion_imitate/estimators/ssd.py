"""Single-shot detectors: boxes and keypoints from a network that predicts at fixed anchors of a square image."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from motion_imitate.estimators.nets import InferenceNet
from motion_imitate.estimators.roi import RgbImage, RoiFloats


@dataclass(frozen=True)
class AnchorLayout:
    """Where a detector's anchors lie: for each grid, the stride in pixels and the predictions per cell."""

    size: int  # pixels per side of the network's input
    grids: tuple[tuple[int, int], ...]

    def places(self) -> RoiFloats:
        """Anchor centres [anchors, 2], in pixels of the network's input."""
        out = []
        for step, votes in self.grids:
            y, x = np.mgrid[0 : self.size // step, 0 : self.size // step]
            out.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1) * step + step / 2, votes, 0))
        return np.concatenate(out).astype(np.float32)


@dataclass(frozen=True)
class SsdDetection:
    """A detected object, in pixels of the image."""

    score: float
    box: RoiFloats  # [4]: left, top, right, bottom
    points: RoiFloats  # [K, 2]


def sigmoid_array(x: NDArray[np.floating]) -> RoiFloats:
    """The logistic function, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -80, 80))), np.float32)


def run_detector(net: InferenceNet, layout: AnchorLayout, image: RgbImage, least: float) -> list[SsdDetection]:
    """Detections with a score of `least` or more, best first."""
    height, width = image.shape[:2]
    scale = layout.size / max(height, width)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (layout.size - small[0]) // 2, (layout.size - small[1]) // 2
    square = np.zeros((layout.size, layout.size, 3), np.float32)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[top : top + small[1], left : left + small[0]] = cv2.resize(image, small, interpolation=how)
    votes, scores = net(square[None] / 127.5 - 1)
    score = sigmoid_array(scores[0, :, 0])
    sure = score >= least
    places = layout.places()[sure]
    points = votes[0][sure].reshape(len(places), votes.shape[2] // 2, 2)  # box centre, box size, keypoints
    centre, size = points[:, 0] + places, points[:, 1]
    points = np.concatenate(
        [(centre - size / 2)[:, None], (centre + size / 2)[:, None], points[:, 2:] + places[:, None]], 1
    )
    points = (points - [left, top]) / [small[0] / width, small[1] / height]
    return merge_detections(points.astype(np.float32), score[sure])


def merge_detections(points: RoiFloats, score: RoiFloats) -> list[SsdDetection]:
    """Weighted non-maximum suppression: predictions of the same object are averaged by score."""
    out, left = [], np.argsort(-score)
    while len(left):
        best = left[0]
        same = detections_agree(points[best], points[left])
        same[0] = True
        group = left[same]
        mean = np.average(points[group], axis=0, weights=score[group]).astype(np.float32)
        out.append(SsdDetection(float(score[best]), mean[:2].reshape(4), mean[2:]))
        left = left[~same]
    return out


def detections_agree(best: RoiFloats, votes: RoiFloats, overlap: float = 0.3, apart: float = 0.3) -> NDArray[np.bool_]:
    """Which predictions are of the same object as the best one: boxes overlap, and keypoints are near for their spread.

    Boxes alone would merge two people who stand close together.
    """
    distance = np.linalg.norm(votes[:, 2:] - best[2:], axis=2).mean(1)
    spread = np.linalg.norm(best[2:] - best[2:].mean(0), axis=1).mean()
    return np.asarray((box_overlaps(best[:2], votes[:, :2]) > overlap) & (distance < 2 * apart * spread))


def box_overlaps(box: RoiFloats, boxes: RoiFloats) -> RoiFloats:
    """Intersection over union of a box [2, 2] with each of the boxes [N, 2, 2]."""
    low, high = np.maximum(box[0], boxes[:, 0]), np.minimum(box[1], boxes[:, 1])
    both = np.prod(np.clip(high - low, 0, None), 1)
    area = np.prod(box[1] - box[0]) + np.prod(boxes[:, 1] - boxes[:, 0], axis=1) - both
    return np.asarray(both / np.maximum(area, 1e-9), np.float32)
