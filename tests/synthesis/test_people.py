"""People dressed out of the body alone: whoever is drawn is whole, dressed and of sensible colours."""

import numpy as np
import pytest
import torch

from motion_imitate import bodies
from motion_imitate.synthesis import complexion
from motion_imitate.synthesis.closet import make_actor, sample_body_shape
from motion_imitate.synthesis.figure import measure_body
from motion_imitate.synthesis.outfits import make_outfit


@pytest.fixture(scope="module")
def body():
    return bodies.load_body("anny")


@pytest.fixture(scope="module")
def actor(body):
    return make_actor(body, np.random.default_rng(4))


def test_a_person_hangs_together(actor):
    assert int(actor.faces.max()) == len(actor.at) - 1
    assert bool(torch.isfinite(actor.at).all())
    torch.testing.assert_close(actor.weights.sum(1), torch.ones(len(actor.at)))
    assert actor.sheer == len(actor.faces)  # nothing generated has holes
    assert actor.parts.unique().tolist()[0] >= 1
    assert actor.heap.table[-1, -1, 0] < len(actor.heap.texels)


@pytest.mark.parametrize("seed", range(3))
def test_clothes_lie_outside_the_skin(body, seed):
    random = np.random.default_rng(seed)
    who = measure_body(body, sample_body_shape(random, len(body.skin.shape_dirs)))
    worn = make_outfit(random, who)
    off = ((worn.base.outer - who.base.at) * who.base.normal).sum(1)
    clear = worn.hidden & ~who.head & (who.base.at[:, 1] > who.joints["foot.L"][1] + 0.1)
    assert int(clear.sum()) > 1000
    assert float((off[clear] < -1e-4).float().mean()) < 0.01
    assert not bool(worn.hidden[who.head & (who.base.at[:, 1] > who.points["mouth_left"][1])].any())  # no masks
    assert {item.kind for item in worn.items} >= {"clothes", "shoes"}


def test_skin_is_redder_than_green_and_greener_than_blue():
    for seed in range(30):
        red, green, blue = complexion.sample_skin_tone(np.random.default_rng(seed))
        assert red > green > blue > 0.05
