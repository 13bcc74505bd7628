"""The jobs of `motion-imitate motion`: a clip in; its motion, an overlay, or another program's file out."""

from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from time import monotonic

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.compositing.body_overlay import overlay as drawn
from motion_imitate.motion import file as motion_file
from motion_imitate.motion.disk_rows import Rows
from motion_imitate.motion.windows import at
from motion_imitate.types import BodyModel, Frames, Motion
from motion_imitate.video import Encoding, read, write
from pipelines.motion import export as exports
from pipelines.motion.confidence_report import SLACK, report
from pipelines.motion.estimate import Watching, believed, body_model, fitted, noted, paired, sightings, watching
from pipelines.motion.options import Seeing
from pipelines.motion.stored import about, described, opened
from pipelines.output_path import refuse
from pipelines.provenance import maker
from pipelines.reporter import Talk
from pipelines.streaming.threads import beside, threads

ENCODING = Encoding(preset="superfast")  # an overlay is looked at once: a larger file for less waiting
DRAWN = 2  # frames of a run that is drawn
SUFFIXES = {"bvh": (".bvh",), "gltf": (".glb",)}
TAGS = {
    "comment": "a computed body is drawn over this video",
    "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
}


def extract(clip: Path, out: Path, seeing: Seeing, overwrite: bool, talk: Talk) -> None:
    refuse(out, (clip,), (".npz",), overwrite)
    begun = monotonic()
    sure = extracted(clip, out, seeing, talk)
    report(out, [sure], monotonic() - begun, talk)


def extracted(clip: Path, out: Path, seeing: Seeing, talk: Talk) -> Float[Tensor, " T"]:
    """The file; how sure each of its frames is."""
    what = watching(clip, seeing, talk.warn)
    model = body_model(seeing.body)
    points, sure = Rows(), list[Tensor]()
    with closing(beside(noted(sightings(what), points.append))) as seen:
        runs = talk.counted(fitted(what, seen, model), "extract", what.info.frames)
        motion_file.save(out, believed(runs, sure), about(what, model), points)
    return torch.cat(sure)


def overlay(clip: Path, out: Path, motion: Path | None, seeing: Seeing, overwrite: bool, talk: Talk) -> None:
    refuse(out, (clip,) if motion is None else (clip, motion), (".mp4",), overwrite)
    what, begun = watching(clip, seeing, talk.warn), monotonic()
    confidence: list[Tensor] = []
    if motion is None:
        model = body_model(seeing.body)
        pairs = watched(what, model)
    else:
        stored, _, model = opened(motion)
        pairs = replayed(what, stored)

    def drawer() -> "Drawer":
        return Drawer(model)

    with closing(pairs), closing(threads(drawer, remembered(pairs, confidence))) as pictures:
        shown = talk.counted(pictures, "overlay", what.info.frames)
        write(out, shown, what.info.rate, clip, TAGS | {"software": maker()}, ENCODING, talk.warn)
    report(out, confidence, monotonic() - begun, talk)


class Drawer:
    """The stage that draws."""

    def __init__(self, model: BodyModel) -> None:
        self.model = model

    def __call__(self, pair: tuple[Frames, Motion]) -> Frames:
        return drawn(pair[0], self.model, pair[1])


def watched(what: Watching, model: BodyModel) -> Generator[tuple[Frames, Motion]]:
    """The clip is read twice: to look at, and, as soon as the motion of a frame is known, to draw on."""
    with closing(beside(fitted(what, sightings(what), model))) as motion:
        yield from paired(read(what.info.path, DRAWN, what.size), motion)


def replayed(what: Watching, motion: Motion) -> Generator[tuple[Frames, Motion]]:
    lasts, stored = what.info.duration, float(motion.seconds[-1] - motion.seconds[0])
    if lasts is not None and abs(lasts - stored) > SLACK + 1 / float(what.info.rate):
        what.warn(f"the motion lasts {stored:.2f} s, the clip {lasts:.2f} s; is it this clip's?")
    for run in read(what.info.path, DRAWN, what.size, warn=what.warn):
        yield run, at(motion, run.seconds)


def remembered(pairs: Iterable[tuple[Frames, Motion]], confidence: list[Tensor]) -> Generator[tuple[Frames, Motion]]:
    """The pairs as they are; how sure they are is kept."""
    for frames, motion in pairs:
        confidence.append(motion.confidence)
        yield frames, motion


def show(file: Path, talk: Talk) -> None:
    talk.record({"file": str(file)} | described(file))


def export(file: Path, out: Path, to: str, overwrite: bool, talk: Talk) -> None:
    refuse(out, (file,), SUFFIXES[to], overwrite)
    motion, about, model = opened(file)
    exports.export(out, motion, about, model, to)
    talk.result({"output": str(out), "frames": len(motion)}, f"{out}: {len(motion)} frames")
