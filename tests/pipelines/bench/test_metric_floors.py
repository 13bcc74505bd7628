"""What a truth out of place is worth: the farther, the less, until it is slid back."""

import numpy as np
import pytest
import torch

from motion_imitate.metrics.flow_alignment import limited_flow, pictures_to_arrays
from motion_imitate.training import backbones
from motion_imitate.weights import find_asset
from pipelines.bench import metric_floors as bench_floors
from pipelines.bench.metric_floors import FLOOR_FRAMES, OFFSET_SHARES, clip_floors, degrade_truth, displace_image
from pipelines.evaluate.compare import load_metric_networks
from pipelines.motion.options import EstimationOptions


def test_what_is_misplaced_is_as_far_off_as_is_said():
    random = np.random.default_rng(0)
    picture = torch.nn.functional.interpolate(
        torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)), (240, 240), mode="bicubic"
    ).clamp(0, 1)
    for off in (1.0, 2.0):
        found = limited_flow(
            pictures_to_arrays(displace_image(picture, off, 20, random))[0], pictures_to_arrays(picture)[0], 240
        )[20:-20, 20:-20]
        assert float((found**2).mean() ** 0.5) == pytest.approx(off, rel=0.25)


def test_a_small_picture_is_softer_and_as_large(monkeypatch):
    monkeypatch.setattr(bench_floors, "SMALL_LONGEST", 24)
    truth = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    made = degrade_truth(truth, torch.ones(1, 1, 96, 64, dtype=torch.bool), np.random.default_rng(0))
    assert len(made) == len(OFFSET_SHARES) + 1
    assert made["at 24 pixels"].shape == truth.shape
    assert made["at 24 pixels"].std() < 0.5 * truth.std()


@pytest.mark.slow
def test_floors_of_the_demo_clip(monkeypatch):
    monkeypatch.setattr(bench_floors, "FLOOR_FRAMES", FLOOR_FRAMES[:1])
    monkeypatch.setattr(backbones, "LITE0_PACKAGE", "no_such_package_at_all")
    rows = list(
        clip_floors(
            find_asset("demo/clip.mp4"), load_metric_networks(EstimationOptions(), bench_floors.FLOORS_REPORTER)
        )
    )
    assert [row["frames"] for row in rows] == [1, 1, 1, 1]
    alike = [row["person_ssim"] for row in rows[:3]]
    assert 0.95 > alike[0] > alike[1] > alike[2]
    assert all(row["aligned_ssim"] > 1 - 0.3 * (1 - row["person_ssim"]) for row in rows[:3])
