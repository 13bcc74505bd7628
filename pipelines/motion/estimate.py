"""A clip in, the motion of a person in it out: a stream that holds a few seconds, whatever the clip's length."""

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
from motion_imitate.estimators.landmarks import Landmarks
from motion_imitate.estimators.quality import LIVE, QUALITIES
from motion_imitate.motion.smooth import smooth_live
from motion_imitate.types import BodyModel, Frames, Motion, Sighting, cat
from motion_imitate.video import Info, VideoError, probe, read
from pipelines.motion.advice import advised
from pipelines.motion.options import Seeing
from pipelines.output_path import Refused
from pipelines.streaming.threads import HERE, Running, beside

RUN = 32  # frames of a run in which people are looked for; each run begins with a search
PIECE = 4  # frames that are read at once
EARLY = (7, 5)  # and so many pieces are the first two runs: looked at side by side, done at about the same time
ENOUGH = 960  # pixels of the longer side at which people are looked for: the network sees a square of 256 of them


class Nobody(VideoError):
    """A clip in which no person is seen."""


@dataclass(frozen=True)
class Watching:
    """A clip that is looked at, and how."""

    info: Info
    size: tuple[int, int]  # height and width at which it is read
    seeing: Seeing
    warn: Callable[[str], None]
    running: Running = HERE


def watching(clip: Path, seeing: Seeing, warn: Callable[[str], None], running: Running = HERE) -> Watching:
    torch.set_num_threads(seeing.threads)
    cv2.setNumThreads(seeing.threads)
    check_device(seeing.device)
    info = probe(clip)
    return Watching(info, scaled((info.height, info.width), seeing.size), seeing, warn, running)


@lru_cache(maxsize=2)
def body_model(name: str) -> BodyModel:
    return cast(BodyModel, bodies.load(name))  # frozen fields, which type checkers do not take for fields


@lru_cache(maxsize=4)
def fitter(name: str, how: Fitting) -> Fitter:
    return Fitter(body_model(name), how)


def check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError):
        raise Refused(f"the device {name!r} cannot be used with torch {torch.__version__} here; choose cpu") from None


def scaled(size: tuple[int, int], longest: int | None) -> tuple[int, int]:
    """Height and width with the longer side at most `longest`, then both even."""
    if longest is None or max(size) <= longest:
        return size
    height, width = (max(2, side * longest // max(size) // 2 * 2) for side in size)
    return height, width


def sightings(what: Watching) -> Iterator[Sighting]:
    """The person who is asked for, through the clip."""
    how = replace(QUALITIES[what.seeing.quality].look, device=what.seeing.device, threads=what.seeing.threads)
    if what.seeing.live:
        how = replace(how, every=1, rate=1e6)  # what lies between two looks is known only after the second
    frames = partial(warning, what.info.path, scaled(what.size, ENOUGH))
    with (
        closing(what.running.source(frames)) as coming,
        closing(
            beside(joined(heard(coming, what.warn)), 1, patient=True)
        ) as waiting,  # whatever comes after goes first
        closing(what.running.stage(partial(Landmarks, how), waiting, what.seeing.workers, patient=True)) as runs,
    ):
        yield from advised(runs, what.seeing.person, what.info, what.warn)


def warning(path: Path, size: tuple[int, int]) -> Iterator[Frames | str]:
    """The frames, and between them whatever there is to warn of: it may be read elsewhere than it is told."""
    said: list[str] = []
    for piece in read(path, PIECE, size, warn=said.append):
        yield piece
        while said:
            yield said.pop(0)
    yield from said


def heard(pieces: Iterable[Frames | str], warn: Callable[[str], None]) -> Iterator[Frames]:
    for piece in pieces:
        if isinstance(piece, str):
            warn(piece)
        else:
            yield piece


def joined(pieces: Iterator[Frames]) -> Iterator[Frames]:
    """Runs, the first two shorter: they are enough for something to be known."""
    for count in chain(EARLY, repeat(RUN // PIECE)):
        if not (some := list(islice(pieces, count))):
            return
        yield cat(some)


def fitted(what: Watching, seen: Iterable[Sighting], model: BodyModel) -> Iterator[Motion]:
    """The motion in pieces, as soon as it is known; an error if there turns out to be nobody."""
    somebody = False
    for piece in pieces(what, seen, model):
        somebody = somebody or bool((piece.confidence > 0).any())
        yield piece
    if not somebody:
        raise Nobody(f"nobody is seen in {what.info.path}; give a clip with a person, most of the body in the picture")


def pieces(what: Watching, seen: Iterable[Sighting], model: BodyModel) -> Iterator[Motion]:
    if what.seeing.live:
        return smooth_live(fit_live(seen, fitter(model.name, LIVE), what.size))
    quality = QUALITIES[what.seeing.quality]
    return fit(seen, fitter(model.name, quality.fit), what.size, quality.windows)


def paired(frames: Iterable[Frames], motion: Iterator[Motion]) -> Iterator[tuple[Frames, Motion]]:
    """Runs of frames, each with its motion, which comes in pieces of other lengths."""
    held: Motion | None = None
    for run in frames:
        while held is None or len(held) < len(run):
            more = next(motion, None)
            if more is None:
                raise VideoError("the clip gave more frames when it was read again; is it still being written?")
            held = more if held is None else cat([held, more])
        yield run, held[: len(run)]
        held = held[len(run) :]
    for _ in motion:  # to its end, where it may have something to say
        raise VideoError("the clip gave fewer frames when it was read again; is it still being written?")


def believed(runs: Iterable[Motion], sure: list[Tensor]) -> Iterator[Motion]:
    """The runs as they are; how sure they are is kept."""
    for run in runs:
        sure.append(run.confidence)
        yield run


def noted(runs: Iterable[Sighting], keep: Callable[[Tensor], None]) -> Iterator[Sighting]:
    """The sightings as they are; their points are kept."""
    for run in runs:
        keep(torch.cat([run.points, run.visible[..., None]], -1))
        yield run
