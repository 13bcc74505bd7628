"""Estimate the motion of a person in a clip, as a stream that holds a few seconds."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import cast

import cv2
import torch
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.estimators.fit import fit, fit_live
from motion_imitate.estimators.fitter import Fitter, Fitting
from motion_imitate.estimators.landmarks import LandmarkEstimator
from motion_imitate.estimators.quality import LIVE_FITTING, QUALITIES
from motion_imitate.motion.smooth import smooth_live
from motion_imitate.types import BodyModel, Frames, Motion, Sighting, cat_batched
from motion_imitate.video import VideoError, VideoInfo, probe, read
from pipelines.motion.advice import follow_with_advice
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError
from pipelines.streaming.threads import THREAD_RUNNER, StreamRunner, prefetch_items

DETECTION_RUN = 32  # frames of a detection run; each run starts with a search of the whole image
READ_PIECE = 4  # frames read at once
FIRST_RUN_PIECES = (
    7,
    5,
)  # pieces of the first two runs, which are processed in parallel and end at about the same time
DETECTION_LONGEST = 960  # pixels of the longer side for detection: the network's input is 256 pixels square


class NobodyInClip(VideoError):
    """No person was found in a clip."""


@dataclass(frozen=True)
class OpenedClip:
    """A probed clip, and how its motion is estimated."""

    info: VideoInfo
    size: tuple[int, int]  # height and width at which frames are read
    seeing: EstimationOptions
    warn: Callable[[str], None]
    running: StreamRunner = THREAD_RUNNER


def open_input_clip(
    clip: Path, seeing: EstimationOptions, warn: Callable[[str], None], running: StreamRunner = THREAD_RUNNER
) -> OpenedClip:
    """Probe a clip, check the device, and set the number of threads."""
    torch.set_num_threads(seeing.threads)
    cv2.setNumThreads(seeing.threads)
    check_device(seeing.device)
    info = probe(clip)
    return OpenedClip(info, limit_size((info.height, info.width), seeing.size), seeing, warn, running)


@lru_cache(maxsize=2)
def load_body_model(name: str) -> BodyModel:
    """The body model of that name, cached."""
    return cast(BodyModel, bodies.load_body(name))  # mypy does not accept frozen fields for the protocol's attributes


@lru_cache(maxsize=4)
def load_fitter(name: str, how: Fitting) -> Fitter:
    """The fitter of a body model, cached."""
    return Fitter(load_body_model(name), how)


def check_device(name: str) -> None:
    """Raise UsageError unless torch can use the device."""
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError):
        raise UsageError(
            f"torch {torch.__version__} cannot use the device {name!r} on this machine; choose cpu"
        ) from None


def limit_size(size: tuple[int, int], longest: int | None) -> tuple[int, int]:
    """Height and width with the longer side at most `longest`; both even if they change."""
    if longest is None or max(size) <= longest:
        return size
    height, width = (max(2, side * longest // max(size) // 2 * 2) for side in size)
    return height, width


def track_person(what: OpenedClip) -> Iterator[Sighting]:
    """Detect people in the clip and follow the one that the options choose."""
    how = replace(QUALITIES[what.seeing.quality].look, device=what.seeing.device, threads=what.seeing.threads)
    if what.seeing.live:
        how = replace(how, every=1, rate=1e6)  # interpolating between two detections needs the second one
    frames = partial(read_with_warnings, what.info.path, limit_size(what.size, DETECTION_LONGEST))
    with (
        closing(what.running.source(frames)) as coming,
        closing(
            prefetch_items(join_into_runs(forward_warnings(coming, what.warn)), 1, patient=True)
        ) as waiting,  # later stages take priority
        closing(
            what.running.stage(partial(LandmarkEstimator, how), waiting, what.seeing.workers, patient=True)
        ) as runs,
    ):
        yield from follow_with_advice(runs, what.seeing.person, what.info, what.warn)


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


def join_into_runs(pieces: Iterator[Frames]) -> Iterator[Frames]:
    """Join pieces into runs; the first two are shorter, so that the first results come sooner."""
    for count in chain(FIRST_RUN_PIECES, repeat(DETECTION_RUN // READ_PIECE)):
        if not (some := list(islice(pieces, count))):
            return
        yield cat_batched(some)


def fit_motion(what: OpenedClip, seen: Iterable[Sighting], model: BodyModel) -> Iterator[Motion]:
    """Fit the body and yield the motion in pieces; raises at the end if nobody was found."""
    somebody = False
    for piece in fit_in_pieces(what, seen, model):
        somebody = somebody or bool((piece.confidence > 0).any())
        yield piece
    if not somebody:
        raise NobodyInClip(f"nobody is seen in {what.info.path}; give a clip that shows most of a person's body")


def fit_in_pieces(what: OpenedClip, seen: Iterable[Sighting], model: BodyModel) -> Iterator[Motion]:
    """Fit live or in windows, as the options say."""
    if what.seeing.live:
        return smooth_live(fit_live(seen, load_fitter(model.name, LIVE_FITTING), what.size))
    quality = QUALITIES[what.seeing.quality]
    return fit(seen, load_fitter(model.name, quality.fit), what.size, quality.windows)


def pair_with_motion(frames: Iterable[Frames], motion: Iterator[Motion]) -> Iterator[tuple[Frames, Motion]]:
    """Runs of frames, each with its motion, which arrives in pieces of other lengths."""
    held: Motion | None = None
    for run in frames:
        while held is None or len(held) < len(run):
            more = next(motion, None)
            if more is None:
                raise VideoError("the clip had more frames when it was read again; wait until it is completely written")
            held = more if held is None else cat_batched([held, more])
        yield run, held[: len(run)]
        held = held[len(run) :]
    for _ in motion:  # exhaust the motion, which may raise at its end
        raise VideoError("the clip had fewer frames when it was read again; wait until it is completely written")


def record_confidence(runs: Iterable[Motion], sure: list[Tensor]) -> Iterator[Motion]:
    """Pass the runs through and collect their confidence."""
    for run in runs:
        sure.append(run.confidence)
        yield run


def record_points(runs: Iterable[Sighting], keep: Callable[[Tensor], None]) -> Iterator[Sighting]:
    """Pass the sightings through and give their points, with visibility, to `keep`."""
    for run in runs:
        keep(torch.cat([run.points, run.visible[..., None]], -1))
        yield run
