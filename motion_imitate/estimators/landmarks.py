"""Estimate the landmarks of all people in a run of video. Stateless: every run starts with a search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from motion_imitate.estimators.blazepose import (
    LANDMARK_COUNT,
    SIGHTING_MASK_SIZE,
    PersonCandidate,
    PersonLandmarks,
    detect_landmarks,
    detect_people,
    mask_to_uint8,
)
from motion_imitate.estimators.net_batches import BatchedNet
from motion_imitate.estimators.nets import InferenceNet, load_net
from motion_imitate.estimators.roi import RgbImage, Roi, RoiFloats, frame_to_rgb
from motion_imitate.estimators.track import PersonTrack, Tracking, track_people
from motion_imitate.estimators.track_between import add_looks_between
from motion_imitate.types import Frames, Sighting

POSE_NETWORKS = ("lite", "full", "heavy")


@dataclass(frozen=True)
class Landmarking:
    """Settings of the landmark estimator."""

    model: str = "heavy"  # or full or lite: faster, but confuses left and right more often
    mirror: bool = False  # average with the mirrored crop; takes twice as long
    every: int = 1  # use every n-th frame and interpolate linearly between them
    rate: float = 20.0  # most frames used per second of video
    slow: float = 0.03  # seconds between frames above which every frame is used
    calm_rate: float = math.inf  # most frames used per second while people are in sight and move little
    detect: float = 0.5  # least score of a detection
    tracking: Tracking = field(default_factory=Tracking)
    device: str = "cpu"
    runtime: str = "auto"  # or litert or torch
    threads: int = 1  # of each network, under litert


class LandmarkEstimator:
    """An Estimator that tracks people and finds their BlazePose landmarks. Safe to call from several threads."""

    def __init__(self, how: Landmarking = Landmarking()) -> None:
        if how.model not in POSE_NETWORKS:
            raise ValueError(f"no pose network {how.model!r}; choose one of {', '.join(POSE_NETWORKS)}")
        self.how = how
        self.detector, self.net = (load_batched_net(name, how) for name in ("pose_detector", f"pose_{how.model}"))

    def __call__(self, frames: Frames) -> list[Sighting]:
        """Sightings of all people, the largest first; if there are none, one Sighting with score 0 throughout."""
        seconds = frames.seconds.tolist()
        rows = select_landmark_frames(seconds, self.how.every, self.how.rate, self.how.slow)
        images = [frame_to_rgb(frames.data[row]) for row in rows]
        clock = [seconds[row] for row in rows]
        looked = select_landmark_frames(clock, 1, self.how.calm_rate)
        found = self.track(images, clock, looked)
        doubtful = not found or len(found[0].looks) < len(looked)
        if doubtful and len(looked) < len(rows):  # the person may be seen in the frames between
            looked = list(range(len(rows)))
            found = self.track(images, clock, looked)
        size = (frames.data.shape[2], frames.data.shape[3])
        seen = [
            sighting_from_track(
                trail,
                add_looks_between(trail, looked, images, clock, self.glance, self.how.tracking),
                rows,
                frames.seconds,
                size,
            )
            for trail in found
        ]
        return [replace(one, shot=frames.shot) for one in seen or [empty_sighting(frames.seconds)]]

    def track(self, images: list[RgbImage], seconds: list[float], looked: list[int]) -> list[PersonTrack]:
        """Tracks through the images `looked`, the most prominent first; their looks are keyed by the index in
        `images`."""
        some, clock = [images[i] for i in looked], [seconds[i] for i in looked]
        found = track_people(some, clock, self.search, self.glance, self.how.tracking)
        for trail in found:
            trail.looks = {looked[i]: look for i, look in trail.looks.items()}
        return sorted(found, key=track_prominence, reverse=True)

    def search(self, image: RgbImage) -> list[PersonCandidate]:
        """People detected in an image."""
        return detect_people(self.detector, image, self.how.detect)

    def glance(self, image: RgbImage, roi: Roi, hide: Sequence[PersonLandmarks]) -> PersonLandmarks:
        """Landmarks in a square crop of an image, with the people in `hide` masked out."""
        return detect_landmarks(self.net, image, roi, self.how.mirror, hide)


def load_batched_net(name: str, how: Landmarking) -> InferenceNet:
    """Load a network; on a GPU, one that computes the images of several threads together."""
    net = load_net(name, how.device, how.runtime, how.threads)
    return net if torch.device(how.device).type == "cpu" else BatchedNet(net)


def select_landmark_frames(seconds: Sequence[float], every: int, rate: float, slow: float = math.inf) -> list[int]:
    """The frames in which landmarks are found; always includes the first and the last."""
    rows = [0]
    for row in range(every, len(seconds), every):
        if seconds[row] - seconds[rows[-1]] > 0.99 / rate or seconds[row] - seconds[row - 1] > slow:
            rows.append(row)
    last = len(seconds) - 1
    return rows if rows[-1] == last else [*rows, last]


def track_prominence(trail: PersonTrack) -> float:
    """The median crop side, times the square root of the number of looks: ranks people by size and presence."""
    return float(np.median([seen.roi.side for seen in trail.looks.values()]) * len(trail.looks) ** 0.5)


def sighting_from_track(
    trail: PersonTrack, looked: list[int], rows: list[int], seconds: torch.Tensor, size: tuple[int, int]
) -> Sighting:
    """A track's looks as a Sighting; frames between looks are interpolated. `looked` are the indices into `rows`, the
    frames with landmarks, at which the person was looked for."""
    at = np.array([rows[i] for i in trail.looks])
    looks = list(trail.looks.values())
    half = np.array([size[1] / 2, size[0] / 2], np.float32)
    stages = np.arange(len(seconds))
    nearest = np.abs(stages[:, None] - at).argmin(1)
    clock = seconds.double().numpy()

    def between(values: Sequence[RoiFloats]) -> torch.Tensor:
        table = np.stack(values).reshape(len(looks), -1)
        lines = [np.interp(clock, clock[at], column) for column in table.T]
        return torch.from_numpy(np.stack(lines, 1).astype(np.float32)).reshape(len(clock), *values[0].shape)

    masks = np.stack([mask_to_uint8(seen.mask) for seen in looks])
    return Sighting(
        points=between([seen.points[:LANDMARK_COUNT] / half - 1 for seen in looks]),
        world=between([seen.world for seen in looks]),
        visible=between([seen.visible for seen in looks]),
        score=torch.from_numpy(interpolate_scores(trail, looked, rows, len(seconds))),
        crop=between([crop_to_frame_matrix(seen.roi, half) for seen in looks]),
        mask=torch.from_numpy(masks[nearest]),
        seconds=seconds,
    )


def crop_to_frame_matrix(roi: Roi, half: RoiFloats) -> RoiFloats:
    """The matrix [2, 3] from image points of the crop to those of a frame of 2 `half` pixels."""
    linear = roi.matrix(2)[:, :2]
    return np.concatenate([linear / half[:, None], [[roi.x / half[0] - 1], [roi.y / half[1] - 1]]], 1).astype(
        np.float32
    )


def interpolate_scores(trail: PersonTrack, looked: list[int], rows: list[int], count: int) -> RoiFloats:
    """The lower score of the two neighbouring looks; 0 where either of them saw nobody."""
    seen = np.array([trail.looks[i].score if i in trail.looks else 0.0 for i in looked], np.float32)
    at = np.array([rows[i] for i in looked])
    after = np.searchsorted(at, np.arange(count))
    before = np.where(at[after] == np.arange(count), after, after - 1)
    return np.minimum(seen[before], seen[after])


def empty_sighting(seconds: torch.Tensor) -> Sighting:
    """A Sighting of a run without people."""
    count = len(seconds)
    return Sighting(
        points=torch.zeros(count, LANDMARK_COUNT, 2),
        world=torch.zeros(count, LANDMARK_COUNT, 3),
        visible=torch.zeros(count, LANDMARK_COUNT),
        score=torch.zeros(count),
        crop=torch.eye(2, 3).repeat(count, 1, 1),
        mask=torch.zeros(count, SIGHTING_MASK_SIZE, SIGHTING_MASK_SIZE, dtype=torch.uint8),
        seconds=seconds,
    )
