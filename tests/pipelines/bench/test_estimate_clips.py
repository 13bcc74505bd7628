"""The comparison of qualities measures what it says."""

import pytest
import torch

from motion_imitate.types import Frames
from pipelines.bench.estimate_clips import (
    CLIP_VERSIONS,
    Estimate,
    Scores,
    change_frames,
    change_joints,
    median_of_versions,
    score_estimate,
    table_cells,
)

JOINTS = torch.randn(12, 33, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("version", CLIP_VERSIONS)
def test_the_truth_has_no_error_in_any_version(version):
    assert torch.equal(change_joints(change_joints(JOINTS, version), version), JOINTS)
    goal = change_joints(JOINTS, version)
    scores = score_estimate(Estimate(goal, torch.arange(12) > 1), goal, 30.0)
    assert scores.error == pytest.approx(0, abs=1e-6)
    assert scores.lost == 2


def test_frames_and_joints_change_alike():
    """A bright pixel at the left wrist is where the changed joints have the right wrist, or at the other end."""
    data = torch.zeros(3, 3, 4, 8, dtype=torch.uint8)
    data[0, :, 1, 6] = 255
    frames = Frames(data, torch.tensor([0.0, 0.1, 0.3]))
    at = torch.zeros(3, 33, 3)
    at[0, 15] = torch.tensor([2.5, -0.5, 1.0])  # from the middle of the image, in pixels
    mirrored = change_frames(frames, "mirrored")
    assert mirrored.data[0, 0].nonzero().tolist() == [[1, 1]]
    assert change_joints(at, "mirrored")[0, 16].tolist() == [-2.5, -0.5, 1.0]
    backwards = change_frames(frames, "reversed")
    assert backwards.data[2, 0, 1, 6] == 255
    assert backwards.seconds.tolist() == pytest.approx([0.0, 0.2, 0.3])
    assert change_joints(at, "reversed")[2, 15, 0] == 2.5


def test_the_median_of_versions_is_of_the_clip_as_it_is():
    estimates = {version: change_joints(JOINTS, version) for version in CLIP_VERSIONS}
    estimates["reversed"] = estimates["reversed"] + 9.0  # one failure is outvoted
    torch.testing.assert_close(median_of_versions(estimates), JOINTS)


def test_others_are_ratios_to_default():
    scores = {"default": Scores(40, 50, 0.1, 0), "fast": Scores(50, 75, 0.2, 3)}
    assert table_cells(scores) == ["40", "1.25", "50", "1.50", "0.10, 0.20", "0, 3"]
