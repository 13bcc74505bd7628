"""Compare the qualities of motion estimation on clips, as they are, mirrored, and played backwards."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, posed_keypoints
from motion_imitate.estimators.blazepose import LANDMARK_COUNT, MIRROR_ORDER
from motion_imitate.estimators.clip import fit_motion, load_body_model, track_person
from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.metrics.motion import foot_sliding_speed, mean_joint_error, procrustes_align
from motion_imitate.types import BodyModel, Frames, Motion, cat_batched
from motion_imitate.video import probe, read, write
from pipelines.motion.estimate import open_input_clip
from pipelines.motion.options import EstimationOptions

TRUTH_FILE = "gt_single.npz"  # beside single_cam01.mp4 and so on
COMPARED_JOINTS = [11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
HEEL_AND_TOE_POINTS = [29, 30, 31, 32]
STANDING_SPEED = 0.2  # metres per second below which a true heel or toe counts as standing
ESTIMATION_SETTINGS = {
    "default": EstimationOptions(),
    "best": EstimationOptions(quality="best"),
    "fast": EstimationOptions(quality="fast"),
    "live": EstimationOptions(live=True),
}
CLIP_VERSIONS = ("as it is", "mirrored", "reversed")
CLIP_FRAMES = 112  # most frames of a clip that are compared
CLIP_LONGEST = 960  # pixels of the longer side; people are not detected in larger images
FIRST_FRAMES = 10

Joints = Float[Tensor, "T K 3"]


class Estimate(NamedTuple):
    """The landmarks of a clip's motion, in camera space, and where the person was seen."""

    at: Joints
    seen: Bool[Tensor, " T"]


class Scores(NamedTuple):
    """Errors of an estimate."""

    error: float  # PA-MPJPE, mm
    first: float  # the same of the first FIRST_FRAMES frames
    sliding: float  # of standing feet, metres per second
    lost: int  # frames in which the person was not seen


def compare_qualities(clips: list[Path]) -> Iterator[str]:
    """A table in Markdown: a row for each clip and version, with the errors of `default`, and of the others as ratios
    to it."""
    others = list(ESTIMATION_SETTINGS)[1:]
    yield (
        "| clip | version | truth | error, mm | "
        + " | ".join(f"{name}, times" for name in others)
        + (f" | first {FIRST_FRAMES}, mm | " + " | ".join(f"{name}, times" for name in others))
        + " | sliding, m/s: "
        + ", ".join(ESTIMATION_SETTINGS)
        + " | frames lost |"
    )
    yield "| --- | --- | --- |" + " --: |" * (2 * len(ESTIMATION_SETTINGS) + 2)
    model = load_body_model("anny")
    for clip in clips:
        rate = probe(clip).rate
        whole = read_first_frames(clip)
        found = {version: estimate_version(whole, rate, version, model) for version in CLIP_VERSIONS}
        known = load_true_joints(clip)
        truth = median_of_versions({v: found[v]["best"].at for v in found}) if known is None else known[: len(whole)]
        for version, estimates in found.items():
            goal = change_joints(truth, version)
            scores = {name: score_estimate(one, goal, float(rate)) for name, one in estimates.items()}
            source = "median of best" if known is None else "4 cameras"
            yield f"| {clip.stem} | {version} | {source} | " + " | ".join(table_cells(scores)) + " |"


def table_cells(scores: dict[str, Scores]) -> list[str]:
    """The figures of a row."""
    base, *others = scores.values()
    return [
        f"{base.error:.0f}",
        *(f"{one.error / base.error:.2f}" for one in others),
        f"{base.first:.0f}",
        *(f"{one.first / base.first:.2f}" for one in others),
        ", ".join(f"{one.sliding:.2f}" for one in scores.values()),
        ", ".join(str(one.lost) for one in scores.values()),
    ]


def read_first_frames(clip: Path) -> Frames:
    """The first frames of a clip, at the size at which people are detected."""
    info = probe(clip)
    scale = min(1.0, CLIP_LONGEST / max(info.height, info.width))
    size = (round(info.height * scale) // 2 * 2, round(info.width * scale) // 2 * 2)
    runs: list[Frames] = []
    for run in read(clip, 16, size):
        runs.append(run)
        if sum(map(len, runs)) >= CLIP_FRAMES:
            break
    return cat_batched(runs)[:CLIP_FRAMES]


def change_frames(frames: Frames, version: str) -> Frames:
    """The frames as they are, mirrored or reversed."""
    if version == "mirrored":
        return replace(frames, data=frames.data.flip(3).contiguous())
    if version == "reversed":
        return Frames(frames.data.flip(0).contiguous(), frames.seconds[-1] - frames.seconds.flip(0))
    return frames


def change_joints(at: Joints, version: str) -> Joints:
    """The joints in that version of the clip; twice the same change is none."""
    if version == "mirrored":
        return at[:, MIRROR_ORDER[:LANDMARK_COUNT].tolist()] * at.new_tensor([-1, 1, 1])
    return at.flip(0) if version == "reversed" else at


def median_of_versions(versions: dict[str, Joints]) -> Joints:
    """The median of estimates of a clip's versions, as of the clip as it is."""
    return torch.stack([change_joints(at, version) for version, at in versions.items()]).median(0).values


def estimate_version(frames: Frames, rate: Fraction, version: str, model: BodyModel) -> dict[str, Estimate]:
    """The estimates of a version of a clip by all qualities."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write(clip, [change_frames(frames, version)], rate)
        return {name: estimate_joints(clip, how, model) for name, how in ESTIMATION_SETTINGS.items()}


def estimate_joints(clip: Path, estimation: EstimationOptions, model: BodyModel) -> Estimate:
    """Estimate the motion of a clip."""
    opened = open_input_clip(clip, estimation, lambda _: None)
    motion = cat_batched(list(fit_motion(opened, track_person(opened), model)))
    return Estimate(landmarks_in_camera_space(model, motion), motion.confidence > 0)


def landmarks_in_camera_space(model: BodyModel, motion: Motion) -> Joints:
    """The pose network's landmarks on the bodies of a motion."""
    points = posed_keypoints(cast(SkinnedBody, model), motion.body, "blazepose33")
    return body_to_camera(points, motion.camera).double()


def load_true_joints(clip: Path) -> Joints | None:
    """The joints that four cameras saw, in the axes of the clip's camera; None for other clips."""
    camera = re.fullmatch(r"single_cam(\d+)", clip.stem)
    path = clip.with_name(TRUTH_FILE)
    if camera is None or not path.exists():
        return None
    index = int(camera[1]) - 1
    with np.load(path) as truth:
        return torch.from_numpy(truth["X"] @ truth["R"][index].T + truth["t"][index]).double()


def score_estimate(estimate: Estimate, truth: Joints, rate: float) -> Scores:
    """Compare an estimate with the truth."""
    ours, theirs = estimate.at[:, COMPARED_JOINTS], truth[:, COMPARED_JOINTS]
    aligned = procrustes_align(ours, theirs)
    stands = truth[:, HEEL_AND_TOE_POINTS].diff(dim=0).norm(dim=-1) * rate < STANDING_SPEED
    return Scores(
        1000 * mean_joint_error(aligned, theirs),
        1000 * mean_joint_error(aligned[:FIRST_FRAMES], theirs[:FIRST_FRAMES]),
        foot_sliding_speed(estimate.at[:, HEEL_AND_TOE_POINTS], stands, rate),
        int((~estimate.seen).sum()),
    )
