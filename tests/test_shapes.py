"""The shape checks must themselves be seen to bite: a misconfigured checker passes everything."""

import pytest
import torch
from jaxtyping import TypeCheckError

from motion_imitate.geometry.camera import project_points
from motion_imitate.types import Camera, Frames, Raster
from tests.support.sparing_checks import OFTEN

frames = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
camera = Camera(torch.ones(2, 2), torch.zeros(2, 2), torch.ones(2, 3))


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: Frames(frames.float(), torch.zeros(2)), id="float-frames"),
        pytest.param(lambda: Frames(frames, torch.zeros(3)), id="three-times-for-two-frames"),
        pytest.param(lambda: Camera(torch.zeros(2, 2), torch.zeros(3, 2), torch.zeros(2, 3)), id="batches-differ"),
        pytest.param(
            lambda: Raster(frames[:, 0].long(), torch.zeros(2, 4, 5, 3), torch.zeros(2, 4, 4)), id="widths-differ"
        ),
        pytest.param(lambda: project_points(torch.zeros(5, 3), camera), id="points-without-batch"),
    ],
)
def test_wrong_shapes_are_refused(wrong):
    with pytest.raises(TypeCheckError):
        wrong()


def make_cameras(count, lens):
    for _ in range(count):
        Camera(*lens, torch.ones(2, 3))


def test_who_is_called_often_is_checked_now_and_then():
    right, wrong = (torch.ones(2, 2), torch.zeros(2, 2)), (torch.ones(2, 2), torch.zeros(3, 2))
    make_cameras(3 * OFTEN, right)
    with pytest.raises(TypeCheckError):
        make_cameras(OFTEN, wrong)
