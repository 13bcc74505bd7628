"""Skin under cloth is moved inwards; the eyeballs are told apart."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.synthesis.person import FIRST_EYEBALL_VERTEX, SkinTuck, tuck_skin


@pytest.fixture(scope="module")
def body():
    return bodies.load_body("anny")


def test_skin_under_cloth_is_drawn_in_and_other_skin_is_not(body):
    at = body.skin.template
    how = SkinTuck(near=0.02, sink=0.004)
    moved = (tuck_skin(at, body.faces, at[:1], how) - at).norm(dim=1)
    assert_close(moved[0], torch.tensor(0.004))
    away = (at - at[0]).norm(dim=1)
    assert moved[away > 0.0201].max() == 0
    assert moved.max() < 0.0041


def test_the_eyeballs_are_the_last_vertices(body):
    sight = body.skin.weights[FIRST_EYEBALL_VERTEX:, [body.joint_names.index(f"eye.{side}") for side in "LR"]]
    assert sight.sum(1).min() > 0.9
