"""`motion-imitate avatar`: a photo in, the person as a textured, skinned mesh out."""

from pathlib import Path
from time import monotonic

import torch

from motion_imitate.files import write_bytes_atomically
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.imitate import adapt_motion
from motion_imitate.types import cat_batched
from pipelines.avatar.gltf import encode_avatar
from pipelines.avatar.options import AvatarOptions
from pipelines.motion.stored import stream_stored_motion
from pipelines.output_path import check_output_path
from pipelines.rendering.options import PersonOptions
from pipelines.rendering.person import PersonLoader, load_person
from pipelines.reporter import Reporter


def run_avatar(photos: list[Path], out: Path, how: AvatarOptions, overwrite: bool, reporter: Reporter) -> None:
    """Check the options, make the person, and write and report the file."""
    check_output_path(out, [*photos, *filter(None, [how.motion])], (".glb",), overwrite)
    if len(photos) > 1:
        reporter.warn(f"only the first photo, {photos[0]}, is exported; for another one give it first")
    begun = monotonic()
    torch.set_num_threads(1)
    frames = write_avatar(photos[0], out, how, reporter)
    size = out.stat().st_size
    record = {"output": str(out), "frames": frames, "bytes": size, "seconds": round(monotonic() - begun, 2)}
    reporter.result(record, f"{out}: {size / 1e6:.1f} MB, {frames} frames")


def write_avatar(
    photo: Path, out: Path, how: AvatarOptions, reporter: Reporter, load: PersonLoader = load_person
) -> int:
    """Make the person and write the file; return the number of frames of their motion."""
    driver = None if how.motion is None else stream_stored_motion(how.motion)
    options = PersonOptions(photo_person=how.photo_person, renderer=AVATAR_RENDERER)
    person = load([photo], how.size, options, reporter)
    motion = None
    if driver is not None:
        runs, _, _, count = driver
        adapted = adapt_motion(runs, person.source, person.model)
        motion = cat_batched(list(reporter.track_progress(adapted, "avatar", count)))
    write_bytes_atomically(out, encode_avatar(person, motion, photo.stem))
    return 0 if motion is None else len(motion)
