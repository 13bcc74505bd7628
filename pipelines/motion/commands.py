"""The commands of `motion-imitate motion`: extract, overlay, show and export."""

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.compositing.body_overlay import overlay_body as drawn
from motion_imitate.estimators.clip import OpenedClip, fit_motion, load_body_model, track_person
from motion_imitate.motion import file as motion_file
from motion_imitate.motion.disk_rows import DiskArray
from motion_imitate.motion.windows import resample_motion
from motion_imitate.runner import StreamRunner
from motion_imitate.types import BodyModel, Frames, Motion
from motion_imitate.video import EncoderName, Encoding, read, write
from pipelines.device import choose_device
from pipelines.motion import export as exports
from pipelines.motion.confidence_report import DURATION_TOLERANCE, report_confidence
from pipelines.motion.estimate import open_input_clip, pair_with_motion, record_confidence, record_points
from pipelines.motion.options import EstimationOptions
from pipelines.motion.stored import describe_motion_file, load_stored_motion, motion_metadata
from pipelines.output_path import check_output_path
from pipelines.provenance import software_name
from pipelines.rendering.encoder import check_encoder_option, choose_encoder
from pipelines.reporter import Reporter
from pipelines.streaming.threads import THREAD_RUNNER

OVERLAY_ENCODING = Encoding(preset="superfast")  # speed matters more than file size for a preview
OVERLAY_RUN = 2  # frames drawn at a time
EXPORT_SUFFIXES = {"bvh": (".bvh",), "gltf": (".glb",)}
OVERLAY_TAGS = {
    "comment": "an estimated body is drawn over this video",
    "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
}


def extract_motion(clip: Path, out: Path, estimation: EstimationOptions, overwrite: bool, reporter: Reporter) -> None:
    """Estimate the motion of a clip and write a motion file."""
    check_output_path(out, (clip,), (".npz",), overwrite)
    begun = monotonic()
    sure = write_extracted_motion(clip, out, estimation, reporter)
    report_confidence(out, [sure], monotonic() - begun, reporter)


def write_extracted_motion(
    clip: Path, out: Path, estimation: EstimationOptions, reporter: Reporter, runner: StreamRunner = THREAD_RUNNER
) -> Float[Tensor, " T"]:
    """Write the motion file and return each frame's confidence."""
    opened = open_input_clip(clip, estimation, reporter.warn, runner)
    model = load_body_model(estimation.body)
    points, sure = DiskArray(), list[Tensor]()
    with closing(runner.prefetch(record_points(track_person(opened), points.append))) as seen:
        runs = reporter.track_progress(fit_motion(opened, seen, model), "extract", opened.info.frames)
        motion_file.save_motion(out, record_confidence(runs, sure), motion_metadata(opened, model), points)
    return torch.cat(sure)


def overlay_motion(
    clip: Path,
    out: Path,
    motion: Path | None,
    encoder: EncoderName,
    estimation: EstimationOptions,
    overwrite: bool,
    reporter: Reporter,
) -> None:
    """Draw the fitted body over a clip; `motion` replaces the estimate."""
    check_output_path(out, (clip,) if motion is None else (clip, motion), (".mp4",), overwrite)
    check_encoder_option(encoder)
    opened, begun = open_input_clip(clip, estimation, reporter.warn), monotonic()
    confidence: list[Tensor] = []
    if motion is None:
        model = load_body_model(estimation.body)
        pairs = pair_with_fit(opened, model)
    else:
        stored, _, model = load_stored_motion(motion)
        pairs = pair_with_stored(opened, stored)

    def drawer() -> "OverlayStage":
        return OverlayStage(model)

    with closing(pairs), closing(THREAD_RUNNER.stage(drawer, record_pair_confidence(pairs, confidence), 1)) as pictures:
        shown = reporter.track_progress(pictures, "overlay", opened.info.frames)
        write(
            out,
            shown,
            opened.info.rate,
            clip,
            OVERLAY_TAGS | {"software": software_name()},
            replace(OVERLAY_ENCODING, encoder=choose_encoder(encoder, choose_device(estimation.device))),
            reporter.warn,
        )
    report_confidence(out, confidence, monotonic() - begun, reporter)


class OverlayStage:
    """The stage that draws the body over a run of frames."""

    def __init__(self, model: BodyModel) -> None:
        self.model = model

    def __call__(self, pair: tuple[Frames, Motion]) -> Frames:
        return drawn(pair[0], self.model, pair[1])


def pair_with_fit(opened: OpenedClip, model: BodyModel) -> Generator[tuple[Frames, Motion]]:
    """The clip's frames with their fitted motion. The clip is read twice at once: for the fit, and for drawing."""
    with closing(THREAD_RUNNER.prefetch(fit_motion(opened, track_person(opened), model))) as motion:
        yield from pair_with_motion(read(opened.info.path, OVERLAY_RUN, opened.size), motion)


def pair_with_stored(opened: OpenedClip, motion: Motion) -> Generator[tuple[Frames, Motion]]:
    """The clip's frames with a stored motion at their times; warns if the lengths differ."""
    lasts, stored = opened.info.duration, float(motion.seconds[-1] - motion.seconds[0])
    if lasts is not None and abs(lasts - stored) > DURATION_TOLERANCE + 1 / float(opened.info.rate):
        opened.warn(f"the motion lasts {stored:.2f} s, the clip {lasts:.2f} s; check that it is this clip's motion")
    for run in read(opened.info.path, OVERLAY_RUN, opened.size, warn=opened.warn):
        yield run, resample_motion(motion, run.seconds)


def record_pair_confidence(
    pairs: Iterable[tuple[Frames, Motion]], confidence: list[Tensor]
) -> Generator[tuple[Frames, Motion]]:
    """Pass the pairs through and collect their confidence."""
    for frames, motion in pairs:
        confidence.append(motion.confidence)
        yield frames, motion


def show_motion(file: Path, reporter: Reporter) -> None:
    """Print what a motion file holds."""
    reporter.record({"file": str(file)} | describe_motion_file(file))


def export_motion(file: Path, out: Path, to: str, overwrite: bool, reporter: Reporter) -> None:
    """Convert a motion file to BVH or glTF."""
    check_output_path(out, (file,), EXPORT_SUFFIXES[to], overwrite)
    motion, about, model = load_stored_motion(file)
    exports.write_export(out, motion, about, model, to)
    reporter.result({"output": str(out), "frames": len(motion)}, f"{out}: {len(motion)} frames")
