"""Dense Pose Transfer is trained on a store: its losses fall, in both forms, and the result paints people."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators import dense_pose_transfer, load, load_generator
from motion_imitate.generators.dense_pose_painter import DensePosePainter
from motion_imitate.generators.part_atlas import read_atlas
from motion_imitate.training.backbones import load_lite0
from motion_imitate.training.pair_inputs import CropPerception
from pipelines.cli.commands import main
from pipelines.train import dense_pose
from pipelines.train.dense_pose import DensePoseLossWeights, DensePoseObjective, DensePoseSample
from pipelines.train.optimizer import Learner, OptimizerSettings
from tests.support.narrow_networks import narrow_dense_pose
from tests.support.oval_store import write_oval_store
from tests.support.painted import MODEL
from tests.support.patched_pairs import patched_pairs

PIXELS_ALONE = DensePoseLossWeights(texture=0.2, cover=1.0, perceptual=0, style=0, adversarial=0)


def shallow(config):
    nets = {part: getattr(config, part) for part in ("predictive", "inpainting", "blending")}
    return replace(config, **{part: replace(net, blocks=1) for part, net in nets.items()})


def test_a_texture_of_the_target_view_is_what_the_target_shows():
    sample = DensePoseSample.of(patched_pairs(2), 16)
    there = (sample.target[:, :1] > 0).float()
    assert (read_atlas(sample.texture, sample.target) - sample.truth * there).abs().max() < 0.05


def test_textures_count_only_where_the_target_shows_them():
    pairs = patched_pairs(2)
    objective = DensePoseObjective(narrow_dense_pose("small"), pairs, PIXELS_ALONE)
    sample = DensePoseSample.of(pairs, 8)
    made = objective.networks()(sample.photo, sample.source, sample.target, sample.share)
    elsewhere = torch.where(sample.shown > 0, made.texture, made.texture + 9)
    moved = objective.measure(replace(made, texture=elsewhere), sample)
    assert_close(moved["texture"], objective.measure(made, sample)["texture"])


def test_eight_pairs_are_learnt_by_heart(unchecked_shapes):
    torch.manual_seed(0)
    pairs = patched_pairs(8)
    config = shallow(narrow_dense_pose("small"))
    nets = {part: replace(getattr(config, part), width=8, down=(4,), up=(2,)) for part in ("predictive", "blending")}
    config = replace(config, **nets)
    objective = DensePoseObjective(config, pairs, PIXELS_ALONE)
    pace = OptimizerSettings(1e-2, warm=10, steady=0.9, falls=(30, 80), curve="cosine")
    learner = Learner(objective.networks(), None, pace)
    lost = [learner.learn(pairs, objective)["loss"] for _ in range(80)]
    assert lost[-1] < 0.1 * lost[0]


def test_the_published_form_pretrains_two_networks_and_then_trains_all_against_the_discriminator():
    torch.manual_seed(0)
    pairs = patched_pairs(2, (64, 64))
    config = shallow(narrow_dense_pose("published"))
    objective = DensePoseObjective(config, pairs, DensePoseLossWeights(), CropPerception(load_lite0(depths=3)))
    learner = Learner(objective.networks(), objective.critic(), OptimizerSettings(1e-3, warm=1, most=1e6, after=1))
    before = {k: v.clone() for k, v in learner.networks.net.state_dict().items()}
    told = learner.learn(pairs, objective)
    after = learner.networks.net.state_dict()
    assert {k.partition(".")[0] for k in before if not torch.equal(before[k], after[k])} == {"predictive", "inpainting"}
    assert "adversarial" not in told
    told = learner.learn(pairs, objective)
    assert {"perceptual", "style", "adversarial", "critic"} <= told.keys()
    assert any(not torch.equal(before[k], v) for k, v in learner.networks.net.state_dict().items() if "blending" in k)


@pytest.fixture
def narrow(monkeypatch):
    forms = {name: shallow(narrow_dense_pose(name)) for name in ("small", "published")}
    for module in (dense_pose_transfer, dense_pose, load):
        monkeypatch.setattr(module, "DENSE_POSE_FORMS", forms)


def test_the_command_trains_and_its_result_paints(tmp_path, narrow, unchecked_shapes):
    store, run = tmp_path / "store", tmp_path / "run"
    write_oval_store(store, size=(32, 32))
    words = ["train", "dense-pose", "--store", str(store), "-o", str(run), "--smoke", "--batch", "2"]
    assert main(words) == 0
    assert load.find_renderer_of_weights(run / "weights.safetensors") == "dense-pose"
    assert type(load_generator("dense-pose", MODEL, run / "weights.safetensors")) is DensePosePainter
    with pytest.raises(ValueError, match="renderer dense-pose; give --renderer dense-pose"):
        load_generator("liquid-warping", MODEL, run / "weights.safetensors")
