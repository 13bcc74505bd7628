"""Load, stream, cache and describe stored motions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motion_imitate import bodies, weights
from motion_imitate.estimators.clip import OpenedClip, load_body_model
from motion_imitate.motion import file as motion_file
from motion_imitate.motion.file import MotionHeader
from motion_imitate.types import Body, BodyModel, Camera, Motion, cat_batched
from pipelines.provenance import software_name


def motion_metadata(opened: OpenedClip, model: BodyModel) -> MotionHeader:
    """The metadata of a motion file estimated from a clip."""
    clip, how = opened.info.path, opened.how
    origin = f"{software_name()}, from {clip.name}, quality {how.quality}{', live' if how.live else ''}"
    return MotionHeader(model.name, model.joint_names, opened.size, float(opened.info.rate), clip.stem, origin)


def load_stored_motion(file: Path) -> tuple[Motion, MotionHeader, BodyModel]:
    """Load a motion file, with the body model that it moves."""
    runs, about, model, _ = stream_stored_motion(file)
    return cat_batched(list(runs)), about, model


def stream_stored_motion(file: Path) -> tuple[Iterator[Motion], MotionHeader, BodyModel, int]:
    """Stream a motion file in runs, with its metadata, body model and number of frames."""
    about = motion_file.stream_motion(file)[1]
    if about.model not in bodies.BODIES:
        raise motion_file.BadMotion(
            f"{file} is for the unknown body {about.model!r}; known are {', '.join(bodies.BODIES)}"
        )
    model = load_body_model(about.model)
    runs, about, frames = motion_file.stream_motion(file, model)
    return runs, about, model, frames


def cache_motion(path: Path, motion: Motion, rate: float) -> None:
    """Write a motion at full precision, for the program's own use; motion files are rounded."""
    parts = {"body": motion.body, "camera": motion.camera}
    tensors = {f"{name}.{k}": v.contiguous() for name, noun in parts.items() for k, v in vars(noun).items()}
    tensors |= {"confidence": motion.confidence.contiguous(), "seconds": motion.seconds.contiguous()}
    weights.write_weights(path, {"rate": rate}, tensors)


def load_cached_motion(path: Path) -> tuple[Motion, float]:
    """The motion that `cache_motion` wrote, and its frame rate."""
    about, tensors = weights.read_weights(path)
    body, camera = (
        {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)} for name in ("body.", "camera.")
    )
    return Motion(Body(**body), Camera(**camera), tensors["confidence"], tensors["seconds"]), float(about["rate"])


def describe_motion_file(file: Path) -> dict[str, Any]:
    """Figures about a motion file: length, body, confidence, and how far the person moves."""
    motion, about = motion_file.load_motion(file)
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
