"""What a pose network sees of everybody in a run of video. Needs no memory: every run starts with a search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from motion_imitate.estimators.blazepose import MASK, POINTS, Candidate, Look, candidates, kept_mask, look
from motion_imitate.estimators.nets import load_net
from motion_imitate.estimators.roi import Floats, Picture, Roi, picture
from motion_imitate.estimators.track import Tracking, Trail, trails
from motion_imitate.types import Frames, Sighting

MODELS = ("lite", "full", "heavy")


@dataclass(frozen=True)
class Landmarking:
    model: str = "heavy"  # or full or lite: faster, and wrong about left and right more often
    mirror: bool = False  # look at the mirror image too: takes twice as long
    every: int = 1  # look at every so many frames, and draw straight lines between
    rate: float = 20.0  # at most so many looks a second of video,
    slow: float = 0.03  # but one at each frame where there are so many seconds between them
    detect: float = 0.5  # least score at which the detector's finds are looked at
    tracking: Tracking = field(default_factory=Tracking)
    device: str = "cpu"
    runtime: str = "auto"  # or litert or torch
    threads: int = 1  # of each network, under litert


class Landmarks:
    """An Estimator. May be called from several threads at once."""

    def __init__(self, how: Landmarking = Landmarking()) -> None:
        if how.model not in MODELS:
            raise ValueError(f"no pose network {how.model!r}; choose one of {', '.join(MODELS)}")
        self.how = how
        self.detector = load_net("pose_detector", how.device, how.runtime, how.threads)
        self.net = load_net(f"pose_{how.model}", how.device, how.runtime, how.threads)

    def __call__(self, frames: Frames) -> list[Sighting]:
        """Everybody, the largest first. Of nobody there is one Sighting too, of score 0 throughout."""
        seconds = frames.seconds.tolist()
        rows = looked_at(seconds, self.how.every, self.how.rate, self.how.slow)
        images = [picture(frames.data[row]) for row in rows]
        found = trails(images, [seconds[row] for row in rows], self.search, self.glance, self.how.tracking)
        size = (frames.data.shape[2], frames.data.shape[3])
        seen = [sighting(trail, rows, frames.seconds, size) for trail in sorted(found, key=largeness, reverse=True)]
        return seen or [nobody(frames.seconds)]

    def search(self, image: Picture) -> list[Candidate]:
        return candidates(self.detector, image, self.how.detect)

    def glance(self, image: Picture, roi: Roi, hide: Sequence[Look]) -> Look:
        return look(self.net, image, roi, self.how.mirror, hide)


def looked_at(seconds: Sequence[float], every: int, rate: float, slow: float = math.inf) -> list[int]:
    """The frames to look at: always the first and the last."""
    rows = [0]
    for row in range(every, len(seconds), every):
        if seconds[row] - seconds[rows[-1]] > 0.99 / rate or seconds[row] - seconds[row - 1] > slow:
            rows.append(row)
    last = len(seconds) - 1
    return rows if rows[-1] == last else [*rows, last]


def largeness(trail: Trail) -> float:
    return float(np.median([seen.roi.side for seen in trail.looks.values()]) * len(trail.looks) ** 0.5)


def sighting(trail: Trail, rows: list[int], seconds: torch.Tensor, size: tuple[int, int]) -> Sighting:
    """The trail's looks, and what lies between them."""
    at = np.array([rows[i] for i in trail.looks])
    looks = list(trail.looks.values())
    half = np.array([size[1] / 2, size[0] / 2], np.float32)
    stages = np.arange(len(seconds))
    nearest = np.abs(stages[:, None] - at).argmin(1)
    clock = seconds.double().numpy()

    def between(values: Sequence[Floats]) -> torch.Tensor:
        table = np.stack(values).reshape(len(looks), -1)
        lines = [np.interp(clock, clock[at], column) for column in table.T]
        return torch.from_numpy(np.stack(lines, 1).astype(np.float32)).reshape(len(clock), *values[0].shape)

    masks = np.stack([kept_mask(seen.mask) for seen in looks])
    return Sighting(
        points=between([seen.points[:POINTS] / half - 1 for seen in looks]),
        world=between([seen.world for seen in looks]),
        visible=between([seen.visible for seen in looks]),
        score=torch.from_numpy(scores(trail, rows, len(seconds))),
        crop=between([crop_matrix(seen.roi, half) for seen in looks]),
        mask=torch.from_numpy(masks[nearest]),
        seconds=seconds,
    )


def crop_matrix(roi: Roi, half: Floats) -> Floats:
    """[2, 3], from image points of the square to those of a frame of 2 `half` pixels."""
    linear = roi.matrix(2)[:, :2]
    return np.concatenate([linear / half[:, None], [[roi.x / half[0] - 1], [roi.y / half[1] - 1]]], 1).astype(
        np.float32
    )


def scores(trail: Trail, rows: list[int], count: int) -> Floats:
    """Between two looks the lower one's score; 0 where a neighbouring look saw nothing."""
    seen = np.array([trail.looks[i].score if i in trail.looks else 0.0 for i in range(len(rows))], np.float32)
    after = np.searchsorted(rows, np.arange(count))
    before = np.where(np.array(rows)[after] == np.arange(count), after, after - 1)
    return np.minimum(seen[before], seen[after])


def nobody(seconds: torch.Tensor) -> Sighting:
    """A run in which there is nobody."""
    count = len(seconds)
    return Sighting(
        points=torch.zeros(count, POINTS, 2),
        world=torch.zeros(count, POINTS, 3),
        visible=torch.zeros(count, POINTS),
        score=torch.zeros(count),
        crop=torch.eye(2, 3).repeat(count, 1, 1),
        mask=torch.zeros(count, MASK, MASK, dtype=torch.uint8),
        seconds=seconds,
    )
