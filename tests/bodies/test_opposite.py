"""What stands in for what no photo shows lies where it should on the body."""

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.bodies.opposite import cheek_vertices, find_opposite_vertices
from motion_imitate.bodies.parts import PART_LIMBS

MODEL = load_body("anny")
HEAD, HANDS = PART_LIMBS[24], (PART_LIMBS[3], PART_LIMBS[4])


@pytest.fixture(scope="module")
def limb():
    out = torch.zeros(len(MODEL.skin.template), dtype=torch.int64)
    out[MODEL.faces.flatten()] = torch.tensor(PART_LIMBS)[MODEL.parts].repeat_interleave(3)
    return out


@pytest.fixture(scope="module")
def found(limb):
    return find_opposite_vertices(MODEL.skin.template, limb, HEAD, HANDS)


def test_the_back_of_a_limb_has_its_front_opposite(limb, found):
    place, (other, alike) = MODEL.skin.template, found
    trunk = limb == PART_LIMBS[1]
    back = trunk & (place[:, 2] < place[trunk, 2].mean() - 0.05)
    assert (place[other[back], 2] > place[back, 2] + 0.05).float().mean() > 0.95
    assert (place[other[back], :2] - place[back, :2]).norm(dim=1).mean() < 0.02
    assert alike[trunk].all()
    clothes = alike.bool()
    assert (limb[other[clothes]] == limb[clothes]).all()


def test_hair_goes_round_the_head_and_the_face_does_not(limb, found):
    place, (other, alike) = MODEL.skin.template, found
    head = (limb == HEAD).nonzero()[:, 0]
    assert not alike[head].any()
    moved = head[other[head] != head]
    assert len(moved) > 100
    assert (place[moved, 2] < place[head, 2].mean()).all()
    assert (place[other[moved], 1] > place[head, 1].quantile(0.7)).all()


def test_hands_are_like_cheeks(limb, found):
    place, (other, _) = MODEL.skin.template, found
    head = (limb == HEAD).nonzero()[:, 0]
    cheek = head[cheek_vertices(place[head])]
    assert len(cheek) >= 4
    for hand in HANDS:
        assert torch.isin(other[limb == hand], cheek).all()
    assert (place[cheek, 2] > place[head, 2].mean()).all()
    assert abs(float(place[cheek, 0].mean())) < 0.01
