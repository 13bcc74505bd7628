"""Calibrate image metrics: scores of the ground truth against itself, slightly displaced or at low resolution."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.estimators.matte import estimate_matte
from motion_imitate.metrics.flow_alignment import person_extent, pictures_to_arrays, remap_picture
from motion_imitate.metrics.images import ssim
from motion_imitate.weights import find_asset
from pipelines.evaluate.compare import COMPARED_SIZE, load_metric_networks
from pipelines.evaluate.scores import FrameScores, MetricNetworks, appearance_scores, find_person_near, frames_with_next
from pipelines.evaluate.tables import ScoreRow, markdown_score_table, mean_scores
from pipelines.motion.estimate import open_input_clip
from pipelines.motion.options import EstimationOptions
from pipelines.reporter import Reporter

FLOOR_FRAMES = range(5, 45, 5)  # the first frames that `evaluate` compares
OFFSET_SHARES = (0.005, 0.01, 0.015)  # RMS displacement along each axis, relative to the person's longer side
OFFSET_SMOOTHNESS = 0.06  # distance over which the displacement is smooth, relative to that side
SMALL_LONGEST = 256  # pixels of the longer side at low resolution
CENTRE_POINTS = torch.zeros(33, 2)
FLOORS_REPORTER = Reporter(quiet=True)


def measure_metric_floors(data: Path | None) -> Iterator[str]:
    """A table of the scores for every clip in a folder."""
    clips = sorted(data.glob("*.mp4")) if data else [find_asset("demo/clip.mp4")]
    judges = load_metric_networks(EstimationOptions(), FLOORS_REPORTER)
    yield markdown_score_table([row for clip in clips for row in clip_floors(clip, judges)])


@torch.no_grad()
def clip_floors(clip: Path, judges: MetricNetworks) -> Iterator[ScoreRow]:
    """The scores of a clip, one row for each degradation."""
    each: dict[str, list[FrameScores]] = {}
    random = np.random.default_rng(0)
    for _, pictures in frames_with_next(
        open_input_clip(clip, EstimationOptions(size=COMPARED_SIZE), FLOORS_REPORTER.warn), FLOOR_FRAMES
    ):
        seen = find_person_near(pictures[0], CENTRE_POINTS, judges.eyes)
        if seen is None:
            continue
        truth = pictures[:1].float() / 255
        person = estimate_matte(truth[0], seen)[None] > 0.5
        for name, picture in degrade_truth(truth, person, random).items():
            alike = {"person_ssim": float(ssim(picture, truth, person))}
            each.setdefault(name, []).append(alike | appearance_scores(picture, truth, person, judges.features))
    for name, marks in each.items():
        yield {"clip": clip.stem, "row": name} | mean_scores(marks, True)


def degrade_truth(
    truth: Float[Tensor, "1 3 H W"], person: Bool[Tensor, "1 1 H W"], random: np.random.Generator
) -> dict[str, Float[Tensor, "1 3 H W"]]:
    """The image displaced by each offset, and at low resolution."""
    side = person_extent(person[0, 0].numpy())
    made = {
        f"{off:.1%} of the height off": displace_image(truth, off * side, OFFSET_SMOOTHNESS * side, random)
        for off in OFFSET_SHARES
    }
    scale = min(1.0, SMALL_LONGEST / max(truth.shape[2:]))
    size = [round(n * scale) for n in truth.shape[2:]]
    small = resized(truth, size, mode="area")
    return made | {f"at {SMALL_LONGEST} pixels": resized(small, truth.shape[2:], mode="bilinear", align_corners=False)}


def displace_image(
    picture: Float[Tensor, "1 3 H W"], off: float, even: float, random: np.random.Generator
) -> Float[Tensor, "1 3 H W"]:
    """The image with each pixel displaced randomly, `off` pixels RMS, smoothly over `even` pixels."""
    noise = random.standard_normal((*picture.shape[2:], 2)).astype(np.float32)
    away = cv2.GaussianBlur(noise, (0, 0), even)
    moved = remap_picture(pictures_to_arrays(picture)[0], np.asarray(away / away.std() * off, np.float32))
    return torch.from_numpy(moved).permute(2, 0, 1)[None]
