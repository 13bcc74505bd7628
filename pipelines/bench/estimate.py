"""Benchmark the motion estimate: accuracy against multi-camera ground truth, speed and memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from motion_imitate.estimators.clip import fit_motion, load_body_model, track_person
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.estimators.silhouette import MaskEdges, rasterize_silhouettes
from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.metrics.motion import (
    acceleration_error,
    mean_joint_error,
    mean_mask_iou,
    relative_to_root,
)
from motion_imitate.types import BodyModel, Motion, Sighting, cat_batched
from motion_imitate.video import read, write
from pipelines.bench.estimate_clips import (
    COMPARED_JOINTS,
    ESTIMATION_SETTINGS,
    TRUTH_FILE,
    Estimate,
    compare_qualities,
    landmarks_in_camera_space,
    load_true_joints,
    score_estimate,
)
from pipelines.bench.process import run_measured_process
from pipelines.bench.synthetic_clips import LONG_CLIP_FRAMES, play_back_and_forth, render_swaying_body
from pipelines.motion.estimate import open_input_clip

COMPARED_HIPS = (6, 7)  # indices into COMPARED_JOINTS
OUTLINE_STEP = 5  # frames between those whose outlines are compared


def measure_estimate(data: Path | None) -> Iterator[str]:
    """Lines on accuracy, speed and memory."""
    torch.set_num_threads(1)
    clips = sorted(data.rglob("*.mp4")) if data is not None else []
    if not clips:
        yield (
            "estimate: give --data DIR, a folder of .mp4 clips; for Pose2Sim's single_cam*.mp4 the joints in "
            f"{TRUTH_FILE} beside them are the truth"
        )
        return
    yield from compare_qualities(clips)
    known = {clip: truth for clip in clips if (truth := load_true_joints(clip)) is not None}
    yield from measure_accuracy(known)
    yield from measure_overlay_speed(next(iter(known), clips[0]))
    yield from measure_overlay_memory()


def measure_accuracy(clips: dict[Path, Tensor]) -> Iterator[str]:
    """A table of further errors for each clip with true joints, and each quality."""
    yield "against joints triangulated from four cameras: 12 joints of one person, each camera alone"
    yield f"{'':21}PA-MPJPE    MPJPE  accel.  sliding    outline"
    yield f"{'':21}      mm       mm    m/s2      m/s  of 1 (IoU)"
    model = load_body_model("anny")
    for clip, true in clips.items():
        seen = cat_batched([max(LandmarkEstimator(Landmarking(rate=1e6))(run), key=mean_score) for run in read(clip)])
        for name, estimation in ESTIMATION_SETTINGS.items():
            opened = open_input_clip(clip, estimation, lambda _: None)
            motion = cat_batched(list(fit_motion(opened, track_person(opened), model)))
            yield f"{clip.stem} {name:8}" + accuracy_row(model, motion, seen, true, float(opened.info.rate))


def mean_score(seen: Sighting) -> float:
    """Mean detection score of a track."""
    return float(seen.score.mean())


def accuracy_row(model: BodyModel, motion: Motion, seen: Sighting, true: Tensor, rate: float) -> str:
    """A table row: PA-MPJPE, MPJPE, acceleration error, foot sliding, outline IoU."""
    at = landmarks_in_camera_space(model, motion)
    ours, theirs = at[:, COMPARED_JOINTS], true[:, COMPARED_JOINTS]
    root, goal = relative_to_root(ours, COMPARED_HIPS), relative_to_root(theirs, COMPARED_HIPS)
    scores = score_estimate(Estimate(at, motion.confidence > 0), true, rate)
    figures = (
        scores.error,
        1000 * mean_joint_error(root, goal),
        acceleration_error(root, goal, rate),
        scores.sliding,
        outline_iou(model, motion, seen),
    )
    return "{:8.1f} {:8.1f} {:7.1f} {:8.2f} {:8.3f}".format(*figures)


def outline_iou(model: BodyModel, motion: Motion, seen: Sighting) -> float:
    """IoU of the body's outline and the person's mask, in masks detected on every frame."""
    rows = torch.arange(0, len(seen), OUTLINE_STEP)
    edges = MaskEdges.of(seen[rows], motion.camera[rows])
    vertices = body_to_camera(model(motion.body[rows])[0], motion.camera[rows])[:, model.proxy_vertices].double()
    covered = rasterize_silhouettes(edges.pixels(vertices[..., :2] / vertices[..., 2:]), model.proxy_faces)
    return mean_mask_iou(covered > 0, edges.distance < 0)


def measure_overlay_speed(clip: Path) -> Iterator[str]:
    """Frames per second of `motion overlay` on a clip played several times."""
    frames = sum(len(run) for run in read(clip))
    with tempfile.TemporaryDirectory() as folder:
        longer = Path(folder) / "longer.mp4"  # played several times, so that startup matters little
        times = 4
        write(longer, play_back_and_forth(clip, times), 60)
        for name in ("default", "fast"):
            arguments = ["motion", "overlay", str(longer), "-o", str(Path(folder) / f"{name}.mp4"), "--quality", name]
            seconds, most = run_measured_process(arguments)
            yield (
                f"overlay of {frames * times} frames of {clip.name}, {name}: {frames * times / seconds:.1f} frames/s "
                f"from start to end, peak {most:.0f} MiB"
            )


def measure_overlay_memory() -> Iterator[str]:
    """Peak memory of `motion overlay` on LONG_CLIP_FRAMES frames against a tenth of them."""
    most: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in (LONG_CLIP_FRAMES // 10, LONG_CLIP_FRAMES):
            clip = Path(folder) / f"{frames}.mp4"
            write(clip, render_swaying_body(frames), 60)
            output = str(clip.with_name(f"{frames}-out.mp4"))
            seconds, peak = run_measured_process(["motion", "overlay", str(clip), "-o", output, "--quality", "fast"])
            most.append(peak)
            yield f"{frames} frames of a synthetic person, fast: {frames / seconds:.0f} frames/s, peak {peak:.0f} MiB"
    yield f"ten times the frames take {most[1] / most[0]:.2f} times the memory"
