"""The jobs of `motion-imitate motion`: a clip in; its motion, an overlay, or another program's file out."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import bodies, motion_file, weights
from motion_imitate.motion_file import About
from motion_imitate.overlay import overlay as drawn
from motion_imitate.rows import Rows
from motion_imitate.types import Body, BodyModel, Camera, Frames, Motion, Sighting, cat
from motion_imitate.video import Encoding, read, write
from motion_imitate.windows import at
from pipelines import export as exports
from pipelines.console import Talk
from pipelines.output import refuse
from pipelines.run import beside, threads
from pipelines.seeing import Seeing
from pipelines.watch import Watching, body_model, fitted, paired, sightings, watching

ENCODING = Encoding(preset="superfast")  # an overlay is looked at once: a larger file for less waiting
DRAWN = 2  # frames of a run that is drawn
SUFFIXES = {"bvh": (".bvh",), "gltf": (".glb",)}
TAGS = {
    "comment": "a computed body is drawn over this video",
    "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
}
SLACK = 0.1  # seconds that a motion may be longer or shorter than the clip it is drawn over, without a word


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


def about(what: Watching, model: BodyModel) -> About:
    clip, seeing = what.info.path, what.seeing
    origin = f"{maker()}, from {clip.name}, quality {seeing.quality}{', live' if seeing.live else ''}"
    return About(model.name, model.joint_names, what.size, float(what.info.rate), clip.stem, origin)


def maker() -> str:
    try:
        return f"motion-imitate {version('motion-imitate')}"
    except PackageNotFoundError:
        return "motion-imitate"


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


def report(out: Path, confidence: list[Tensor], seconds: float, talk: Talk) -> None:
    sure = torch.cat(confidence)
    frames, seen = len(sure), float((sure > 0).float().mean())
    if seen < 1:
        talk.warn(f"the person is out of sight in {1 - seen:.0%} of the frames; there the pose is bridged or held")
    record = {
        "output": str(out),
        "frames": frames,
        "seen": round(seen, 4),
        "confidence": round(float(sure.mean()), 4),
        "seconds": round(seconds, 2),
        "frames_per_second": round(frames / seconds, 2),
    }
    text = f"{out}: {frames} frames, {record['frames_per_second']} a second, mean confidence {record['confidence']}"
    talk.result(record, text)


def opened(file: Path) -> tuple[Motion, About, BodyModel]:
    """A stored motion and the body it moves."""
    runs, about, model, _ = streamed(file)
    return cat(list(runs)), about, model


def streamed(file: Path) -> tuple[Iterator[Motion], About, BodyModel, int]:
    """The same in runs, and the number of frames."""
    about = motion_file.stream(file)[1]
    if about.model not in bodies.BODIES:
        raise motion_file.BadMotion(
            f"{file} moves a body {about.model!r} that is not known here; known are {', '.join(bodies.BODIES)}"
        )
    model = body_model(about.model)
    runs, about, frames = motion_file.stream(file, model)
    return runs, about, model, frames


def keep(path: Path, motion: Motion, rate: float) -> None:
    """For the program itself: to the last digit, which a motion file does not keep."""
    parts = {"body": motion.body, "camera": motion.camera}
    tensors = {f"{name}.{k}": v.contiguous() for name, noun in parts.items() for k, v in vars(noun).items()}
    tensors |= {"confidence": motion.confidence.contiguous(), "seconds": motion.seconds.contiguous()}
    weights.write(path, {"rate": rate}, tensors)


def kept(path: Path) -> tuple[Motion, float]:
    """The motion, and its rate."""
    about, tensors = weights.read(path)
    body, camera = (
        {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)} for name in ("body.", "camera.")
    )
    return Motion(Body(**body), Camera(**camera), tensors["confidence"], tensors["seconds"]), float(about["rate"])


def show(file: Path, talk: Talk) -> None:
    talk.record({"file": str(file)} | described(file))


def described(file: Path) -> dict[str, Any]:
    """What a motion file holds, in figures."""
    motion, about = motion_file.load(file)
    place = motion.camera.place
    return {
        "kind": "motion",
        "title": about.title,
        "origin": about.origin,
        "body": about.model,
        "joints": len(about.joints),
        "frames": len(motion),
        "seconds": round(float(motion.seconds[-1] - motion.seconds[0]), 3),
        "rate": about.rate,
        "width": about.size[1],
        "height": about.size[0],
        "seen": round(float((motion.confidence > 0).float().mean()), 4),
        "confidence": round(float(motion.confidence.mean()), 4),
        "metres_away": [round(float(place[:, 2].min()), 2), round(float(place[:, 2].max()), 2)],
        "metres_travelled": round(float(place.diff(dim=0).norm(dim=1).sum()), 2),
    }


def export(file: Path, out: Path, to: str, overwrite: bool, talk: Talk) -> None:
    refuse(out, (file,), SUFFIXES[to], overwrite)
    motion, about, model = opened(file)
    exports.export(out, motion, about, model, to)
    talk.result({"output": str(out), "frames": len(motion)}, f"{out}: {len(motion)} frames")
