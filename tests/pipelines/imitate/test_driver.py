"""What is looked at beforehand is the same person whose motion is followed."""

from dataclasses import replace

import torch

from motion_imitate.estimators.clip import load_body_model
from motion_imitate.estimators.same_person import follows_same_person
from motion_imitate.estimators.scan import Scanning, scan_motion
from motion_imitate.types import cat_batched
from pipelines.imitate.driver import DrivingMotion, scan_driver_again
from tests.support.two_alike import film_two_alike


def test_a_scan_of_somebody_else_is_made_again(tmp_path):
    opened, model = film_two_alike(tmp_path / "two.mp4"), load_body_model("anny")
    brief = Scanning(model="lite", seconds=0.6, dense=5.0)
    left, right = (
        scan_motion(replace(opened, how=replace(opened.how, person=who)), model, brief) for who in ("left", "right")
    )
    assert left is not None
    assert right is not None
    driver = DrivingMotion(iter(()), model, opened.info.rate, opened.info.frames, opened)
    motion, scan = scan_driver_again(driver, iter([right[:2], right[2:]]), left)
    assert scan is not None
    assert follows_same_person(scan, right, model)
    torch.testing.assert_close(cat_batched(list(motion)).seconds, right.seconds)
    assert scan_driver_again(driver, iter([left]), left)[1] is left
