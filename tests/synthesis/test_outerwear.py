"""Facts of coats and open jackets."""

import numpy as np
import pytest
import torch

from motion_imitate import bodies
from motion_imitate.synthesis import fabrics
from motion_imitate.synthesis.costumes import add_flared_skirt
from motion_imitate.synthesis.figure import MeasuredBody, measure_body
from motion_imitate.synthesis.outerwear import add_coat, add_lined_bodice, add_open_jacket, build_hanging_cloth
from motion_imitate.synthesis.outfits import Outfit


@pytest.fixture(scope="module")
def who() -> MeasuredBody:
    body = bodies.load_body()
    return measure_body(body, torch.zeros(len(body.skin.shape_dirs)))


@pytest.fixture
def bare(who) -> Outfit:
    return Outfit([], who.base, torch.zeros(len(who.base.at), dtype=torch.bool))


def test_a_lining_lies_under_its_cloth_and_has_the_same_outline(who, bare):
    cloths = (
        fabrics.make_cloth_texture(np.random.default_rng(1), 64),
        fabrics.make_cloth_texture(np.random.default_rng(2), 64),
    )
    worn = add_lined_bodice(np.random.default_rng(0), who, bare, cloths, 1.9, 0.9, 0.05, 0.1)
    lining, outside = worn.items
    assert lining.texture is cloths[1]
    assert torch.equal(lining.piece.faces, outside.piece.faces)
    torch.testing.assert_close(
        (lining.piece.at - outside.piece.at).norm(dim=1), torch.full((len(lining.piece.at),), 0.004)
    )


@pytest.mark.parametrize("seed", range(4))
def test_outerwear_is_finite_and_covers_the_back(who, bare, seed):
    for add in (add_coat, add_open_jacket):
        worn = add(np.random.default_rng(seed), who, bare)
        assert worn.items
        assert all(item.piece.at.isfinite().all() for item in worn.items)
        back = min(float(item.piece.at[:, 2].min()) for item in worn.items)
        assert back < float(who.base.at[~who.arm & ~who.head, 2].min()) + 0.02


def test_a_coat_hangs_outside_the_skirt_below_it(who, bare):
    cloth = fabrics.make_cloth_texture(np.random.default_rng(0), 64)
    skirt = add_flared_skirt(np.random.default_rng(0), who, bare, cloth)
    ends = (float(who.joints["spine04"][1]), float(who.joints["lowerleg01.L"][1]))
    over, alone = (
        build_hanging_cloth(np.random.default_rng(3), who, worn, ends, 0.0, 0.016, 0.0).at[:, [0, 2]].norm(dim=1)
        for worn in (skirt, bare)
    )
    assert over.mean() > alone.mean()
    assert (over >= alone - 1e-6).all()
