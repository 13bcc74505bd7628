"""The Liquid Warping GAN learns from a store: flows lead to the photo's pixels, and a trial learns."""

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.generators.discriminator import Discriminator, DiscriminatorConfig
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES
from motion_imitate.geometry.flow import warp_image
from motion_imitate.training.decoded_store import open_decoded_store
from motion_imitate.training.painting_pairs import PaintingPairs
from motion_imitate.training.store_pairs import StorePairs
from motion_imitate.weights import read_weights
from pipelines.cli.commands import main
from pipelines.train import liquid_warping
from pipelines.train.loop import WEIGHTS_FILE
from tests.support.narrow_networks import narrow
from tests.support.small_store import write_small_store

SIZE = (64, 48)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_small_store(tmp_path_factory.mktemp("paintings") / "store", views=3, size=SIZE)


@pytest.fixture(scope="module")
def pairs(store):
    return StorePairs.select(open_decoded_store(store), "learn").draw(torch.Generator().manual_seed(0), 6)


def test_a_sample_is_what_the_pair_says(pairs):
    sample = PaintingPairs.of(load_body()).make_sample(pairs)
    given, truth = sample.pairs, sample.truth
    assert given.image.shape == (6, 1, 3, *SIZE)
    assert torch.equal(truth.image, pairs.target.picture)
    assert torch.equal(given.target[:, 2] == 0, given.valid[:, 0])
    assert (given.behind[pairs.source.matte > 0.5] == 0).all()
    assert 0.1 < given.behind.mean() < 0.95
    body = given.valid[:, 0] & (truth.matte[:, 0] > 0.5)
    assert body.sum() > 0.6 * given.valid.sum()


def test_the_flow_reads_in_the_photo_what_the_view_shows(pairs):
    """The same part of the body, by the store's own labels, for most pixels that the photo shows."""
    sample = PaintingPairs.of(load_body()).make_sample(pairs)
    parts = [views.surface[:, :1].float() for views in (pairs.source, pairs.target)]
    read = torch.nn.functional.grid_sample(parts[0], sample.pairs.flow[:, 0], mode="nearest", align_corners=False)
    seen = sample.pairs.valid & (parts[1] > 0)
    right = (read == parts[1])[seen].float().mean()
    chance = (parts[0] == parts[1])[seen].float().mean()
    assert 1 - right < 0.8 * (1 - chance)
    colour = warp_image(pairs.source.picture, sample.pairs.flow[:, 0])
    off, still = ((x - pairs.target.picture).abs().mean(1, keepdim=True)[seen] for x in (colour, pairs.source.picture))
    assert off.median() < still.median()


def test_a_trial_learns_from_a_store(store, tmp_path, monkeypatch, capsys, unchecked_shapes):
    monkeypatch.setitem(NETWORK_SHAPES, "paper", narrow("paper"))
    monkeypatch.setattr(liquid_warping, "Discriminator", lambda: Discriminator(DiscriminatorConfig(width=8)))
    words = ["train", "liquid-warping", "--store", str(store), "-o", str(tmp_path / "run"), "--people", "1", "--quiet"]
    assert main([*words, "--smoke"]) == 0
    assert "step 20" in capsys.readouterr().out
    about, weights = read_weights(tmp_path / "run" / WEIGHTS_FILE)
    assert (about["shape"], about["size"], about["people"], about["batch"]) == ("paper", [*SIZE], 4, 1)
    assert weights["target.glass.head.weight"].dtype == torch.float16


def test_a_store_gives_one_photo_and_is_wide_enough(store, tmp_path, capsys):
    words = ["train", "liquid-warping", "-o", str(tmp_path / "run"), "--store"]
    assert main([*words, str(store), "--photos", "2"]) == 2
    assert "leave --photos out" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "none")]) == 3
    narrow_one = write_small_store(tmp_path / "narrow", size=(32, 32))
    assert main([*words, str(narrow_one)]) == 2
    assert "too small for a discriminator" in capsys.readouterr().err
