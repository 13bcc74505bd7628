"""Stored motions: open, stream, cache and describe them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motion_imitate import bodies, weights
from motion_imitate.motion import file as motion_file
from motion_imitate.motion.file import About
from motion_imitate.types import Body, BodyModel, Camera, Motion, cat
from pipelines.motion.estimate import Watching, body_model
from pipelines.provenance import maker


def about(what: Watching, model: BodyModel) -> About:
    clip, seeing = what.info.path, what.seeing
    origin = f"{maker()}, from {clip.name}, quality {seeing.quality}{', live' if seeing.live else ''}"
    return About(model.name, model.joint_names, what.size, float(what.info.rate), clip.stem, origin)


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
