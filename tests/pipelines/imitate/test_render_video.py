"""What is known of a video before it is rendered."""

from fractions import Fraction

import pytest

from motion_imitate.estimators.clip import load_body_model
from pipelines.imitate.driver import DrivingMotion
from pipelines.imitate.options import ImitateOptions
from pipelines.imitate.render_video import count_frames


@pytest.mark.parametrize(("frames", "expected"), [(100, 90), (60, 60), (None, None)])
def test_a_preview_has_three_seconds_of_frames_at_most(frames, expected):
    driver = DrivingMotion(iter(()), load_body_model("anny"), Fraction(30), frames)
    assert count_frames(driver, ImitateOptions(preview=True)) == expected
