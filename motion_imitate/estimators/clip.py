"""Estimate the motion of a person in a clip, as a stream that holds a few seconds."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain, islice, repeat
from math import inf
from pathlib import Path
from threading import Lock
from typing import cast

import torch

from motion_imitate import bodies
from motion_imitate.estimators.fit import fit
from motion_imitate.estimators.fitter import Fitter, Fitting
from motion_imitate.estimators.follow import follow_person
from motion_imitate.estimators.hmr_estimator import HmrEstimator
from motion_imitate.estimators.landmarks import LandmarkEstimator
from motion_imitate.estimators.live import fit_live
from motion_imitate.estimators.quality import LIVE_FITTING, QUALITIES
from motion_imitate.estimators.shots import mark_shots
from motion_imitate.motion.smooth import smooth_live
from motion_imitate.motion.windows import iter_shots
from motion_imitate.runner import INLINE, StreamRunner
from motion_imitate.types import BodyModel, Estimator, Frames, Motion, Sighting, cat_batched
from motion_imitate.video import VideoError, VideoInfo, probe, read

DETECTION_RUN = 32  # frames of a detection run; each run starts with a search of the whole image
READ_PIECE = 4  # frames read at once
FIRST_RUN_PIECES = (7, 5)  # pieces of the first two runs, which are processed in parallel and end together
DETECTION_LONGEST = 960  # pixels of the longer side for detection: the network's input is 256 pixels square
FITTER_LOCK = Lock()  # a thread that needs a fitter waits for the one that computes it


class NobodyInClip(VideoError):
    """No person was found in a clip."""


FollowPerson = Callable[[Iterable[list[Sighting]], str | int], Iterator[Sighting]]


@dataclass(frozen=True)
class ClipSettings:
    """How the motion of a clip is estimated."""

    quality: str = "default"  # fast, default or best
    live: bool = False  # never look ahead, as if the frames came from a camera
    person: str | int = "largest"  # or left, right, or a number from the left
    device: str = "cpu"  # of the pose network
    workers: int = 1  # runs of frames in which people are detected in parallel
    threads: int = 1  # of the pose network
    hmr: Path | None = None  # weights of Human Mesh Recovery, whose body replaces the pose network's landmarks


def ignore_warning(_: str) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class OpenedClip:
    """A probed clip, and how its motion is estimated."""

    info: VideoInfo
    size: tuple[int, int]  # height and width at which frames are read
    how: ClipSettings = ClipSettings()
    runner: StreamRunner = INLINE
    warn: Callable[[str], None] = ignore_warning
    follow: FollowPerson = follow_person  # picks one person out of those detected


def open_clip(path: Path, longest: int | None = None, how: ClipSettings = ClipSettings()) -> OpenedClip:
    """Probe a clip, to be read with at most `longest` pixels on the longer side."""
    info = probe(path)
    return OpenedClip(info, limit_size((info.height, info.width), longest), how)


@torch.no_grad()
def estimate_motion(clip: Path | OpenedClip) -> Iterator[Motion]:
    """The motion of a person in a clip, in pieces, as soon as it is known."""
    opened = open_clip(clip) if isinstance(clip, Path) else clip
    yield from fit_motion(opened, track_person(opened), load_body_model("anny"))


@lru_cache(maxsize=2)
def load_body_model(name: str) -> BodyModel:
    """The body model of that name, cached."""
    return cast(BodyModel, bodies.load_body(name))  # mypy does not accept frozen fields for the protocol's attributes


def load_fitter(name: str, how: Fitting) -> Fitter:
    """A fitter of a body model; all fitters of one model share what takes long to compute."""
    with FITTER_LOCK:
        return default_fitter(name).with_settings(how)


@lru_cache(maxsize=4)
def default_fitter(name: str) -> Fitter:
    """A fitter of a body model with the default settings, cached."""
    return Fitter(load_body_model(name))


def limit_size(size: tuple[int, int], longest: int | None) -> tuple[int, int]:
    """Height and width with the longer side at most `longest`; both even if they change."""
    if longest is None or max(size) <= longest:
        return size
    height, width = (max(2, side * longest // max(size) // 2 * 2) for side in size)
    return height, width


def track_person(clip: OpenedClip) -> Iterator[Sighting]:
    """Detect people in the clip and follow the one that the settings choose."""
    how = replace(QUALITIES[clip.how.quality].look, device=clip.how.device, threads=clip.how.threads)
    if clip.how.live:
        how = replace(
            how, every=1, rate=1e6, calm_rate=inf
        )  # interpolating between two detections needs the second one
    look: Callable[[], Estimator] = partial(LandmarkEstimator, how)
    if clip.how.hmr is not None:
        look = partial(HmrEstimator, how, clip.how.hmr)
    frames = partial(read_with_warnings, clip.info.path, limit_size(clip.size, DETECTION_LONGEST))
    runner = clip.runner
    with (
        closing(runner.source(frames)) as pieces,
        closing(
            runner.prefetch(join_into_runs(mark_shots(forward_warnings(pieces, clip.warn))), 1, low_priority=True)
        ) as runs,
        closing(runner.stage(look, runs, clip.how.workers, low_priority=True)) as people,
    ):
        yield from clip.follow(people, clip.how.person)


def read_with_warnings(path: Path, size: tuple[int, int]) -> Iterator[Frames | str]:
    """The clip's frames, with warnings between them as strings, since the reader may run in another process."""
    said: list[str] = []
    for piece in read(path, READ_PIECE, size, warn=said.append):
        yield piece
        while said:
            yield said.pop(0)
    yield from said


def forward_warnings(pieces: Iterable[Frames | str], warn: Callable[[str], None]) -> Iterator[Frames]:
    """The frames alone; warnings are passed to `warn`."""
    for piece in pieces:
        if isinstance(piece, str):
            warn(piece)
        else:
            yield piece


def read_shots(pieces: Iterable[Frames | str], warn: Callable[[str], None]) -> Iterator[Frames]:
    """Runs of one shot each, of what `read_with_warnings` yields."""
    return join_into_runs(mark_shots(forward_warnings(pieces, warn)))


def join_into_runs(pieces: Iterator[Frames]) -> Iterator[Frames]:
    """Join pieces into runs of one shot each; the first two are shorter, so that the first results come sooner."""
    for shot in iter_shots(pieces):
        counts = chain(FIRST_RUN_PIECES, repeat(DETECTION_RUN // READ_PIECE))
        while some := list(islice(shot, next(counts))):
            yield cat_batched(some)


def fit_motion(clip: OpenedClip, seen: Iterable[Sighting], model: BodyModel) -> Iterator[Motion]:
    """Fit the body and yield the motion in pieces; raises at the end if nobody was found."""
    somebody = False
    for piece in fit_shots(clip, seen, model):
        somebody = somebody or bool((piece.confidence > 0).any())
        yield piece
    if not somebody:
        raise NobodyInClip(f"nobody is seen in {clip.info.path}; give a clip that shows most of a person's body")


def fit_shots(clip: OpenedClip, seen: Iterable[Sighting], model: BodyModel) -> Iterator[Motion]:
    """Fit each shot for itself. Until the person is seen in it, the last pose of the shots before is held."""
    last: Motion | None = None
    for shot in iter_shots(seen):
        held = last
        for piece in fit_in_pieces(clip, shot, model):
            there = (piece.confidence > 0).nonzero()[:, 0]
            if held is not None:
                piece = hold_pose(piece, held, int(there[0]) if len(there) else len(piece))
            if len(there):
                last, held = piece[there[-1:]], None
            yield piece


def hold_pose(piece: Motion, held: Motion, until: int) -> Motion:
    """The motion with one frame's pose and place in the frames before `until`."""
    start = piece[:until]
    pose = held[torch.zeros(until, dtype=torch.int64)]
    frozen = replace(pose, confidence=start.confidence, seconds=start.seconds, shot=start.shot)
    return cat_batched([frozen, piece[until:]])


def fit_in_pieces(clip: OpenedClip, seen: Iterable[Sighting], model: BodyModel) -> Iterator[Motion]:
    """Fit live or in windows, as the options say."""
    if clip.how.live:
        return smooth_live(fit_live(seen, load_fitter(model.name, LIVE_FITTING), clip.size))
    quality = QUALITIES[clip.how.quality]
    return fit(seen, load_fitter(model.name, quality.fit), clip.size, quality.windows)
