"""Learning to paint: the published networks learn from people who stand before the photo's own background."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.estimators.identity import FaceIdentityNet
from motion_imitate.generators import load_generator
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES
from motion_imitate.generators.load import load_liquid_warping_generator
from motion_imitate.generators.painter import Painter
from motion_imitate.geometry.flow import warp_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.training.backbones import load_backbone
from motion_imitate.training.losses import LossWeights
from motion_imitate.training.samples import (
    PaintingSample,
    TrainingSampleSettings,
    flatten_tensors,
    make_painting_sample,
    make_training_scene,
)
from motion_imitate.types import cat_batched
from motion_imitate.weights import find_asset, read_weights, write_weights
from pipelines.cli.commands import main
from pipelines.train.liquid_warping import (
    PUBLISHED_OPTIMIZERS,
    PaintingObjective,
)
from pipelines.train.loop import (
    CHECKPOINT_FILE,
    LOG_FILE,
    PREVIEW_FILE,
    WEIGHTS_FILE,
    LoopSettings,
    TrainingTask,
    build_learner,
    save_training_state,
)
from pipelines.train.options import LiquidWarpingOptions
from tests.support import DATA
from tests.support.narrow_networks import narrow
from tests.support.painted import MODEL, source, standing

SIDE = 72


@pytest.fixture(scope="module")
def people():
    return SyntheticDataset(bodies.load_body("anny"), SampleSettings((SIDE, SIDE), 3, casting=PeoplePool(1, 100)), 5)


@pytest.fixture(scope="module")
def some(people):
    return cat_batched([make_painting_sample(people, k, TrainingSampleSettings(2)) for k in range(2)])


@pytest.fixture(scope="module")
def subject():
    return PaintingObjective(load_backbone("efficientnet-lite0"), FaceIdentityNet(), narrow("paper"))


def fresh(subject, **pace):
    torch.manual_seed(0)
    return build_learner(subject.networks(), subject.critic(), replace(PUBLISHED_OPTIMIZERS["paper"], **pace))


def test_a_sitting_is_what_the_scene_says(people):
    one, given = (
        make_training_scene(people, 0, TrainingSampleSettings(1)),
        make_painting_sample(people, 0, TrainingSampleSettings(1)),
    )
    pairs, truth = given.pairs, given.truth
    assert pairs.image.shape == (2, 1, 3, SIDE, SIDE)
    assert torch.equal(pairs.image[1], one.source.image)
    assert torch.equal(pairs.person[1], one.source.matte)
    assert torch.equal(pairs.target[:, 2:] == 0, one.target.raster.face[:, None] >= 0)
    assert (pairs.behind[0][one.source.matte[0] > 0.5] == 0).all()
    assert 0.2 < pairs.behind.mean() < 0.95
    person = truth.matte[:, 0] > 0.99
    assert_close(
        truth.image.permute(0, 2, 3, 1)[person], one.truth.image.permute(0, 2, 3, 1)[person], atol=0.01, rtol=0
    )
    far = (one.truth.matte == 0).expand_as(truth.image)
    before = one.source.background.expand_as(truth.image)
    assert (truth.image - before)[far].abs().mean() < 0.03
    assert torch.equal(truth.behind, before)


def test_what_the_flow_reads_is_what_the_view_is_to_show(people):
    """At most spots: what one photo hides is read there all the same."""
    given = make_painting_sample(people, 0, TrainingSampleSettings(1))
    pairs, truth = given.pairs, given.truth
    read = warp_image(pairs.image[:, 0], pairs.flow[:, 0])
    seen = pairs.valid & (truth.matte > 0.9)
    right, wrong = ((read - x).abs().mean(1, keepdim=True)[seen].median() for x in (truth.image, truth.behind))
    assert right < 0.7 * wrong


def test_bytes_are_the_same_sitting(some):
    again = PaintingSample.unpacked(some.packed())
    for name, tensor in flatten_tensors(some, "").items():
        assert_close(flatten_tensors(again, "")[name], tensor, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", ["paper", pytest.param("attention", marks=pytest.mark.slow)])
def test_what_is_wrong_becomes_less(name, some, subject):
    subject = replace(subject, shape=narrow(name))
    learner = fresh(subject, rate=2e-3)
    told = [learner.learn(some, subject) for _ in range(12)]
    parts = {k: v for k, v in told[0].items() if k not in ("step", "loss", "adversarial", "critic")}
    assert {*parts, "adversarial"} == vars(LossWeights()).keys()
    assert told[0]["adversarial"] > 0
    assert told[0]["loss"] == pytest.approx(sum(getattr(LossWeights(), k) * v for k, v in parts.items()), rel=1e-4)
    assert told[-1]["loss"] < 0.9 * told[0]["loss"]
    assert told[-1]["reconstruction"] < told[0]["reconstruction"]


def test_what_is_right_is_not_wrong(some, subject):
    def knowing(pairs):
        made = subject.networks()(pairs)
        return replace(
            made,
            source=pairs.image,
            source_mask=(pairs.person < 0.5).float(),
            target=some.truth.image,
            target_mask=1 - some.truth.matte,
        )

    tried = subject.run_networks(knowing, some)
    assert all((tried.wrong[name] == 0).all() for name in ("reconstruction", "perceptual", "face"))
    assert tried.wrong["mask"].mean() < 0.1  # soft edges are unsure
    assert torch.equal(tried.made, tried.true)


def test_the_published_rates_stay_and_come_down():
    paper = PUBLISHED_OPTIMIZERS["paper"]
    assert [paper.rate * paper.rate_fraction(k) for k in (0, 24_000)] == [2e-4, 2e-4]
    assert paper.rate * paper.rate_fraction(84_500) == pytest.approx(1.01e-4)
    assert [paper.rate * paper.rate_fraction(k) for k in (145_000, 10**6)] == pytest.approx([2e-6, 2e-6])
    assert PUBLISHED_OPTIMIZERS["attention"].rate_fraction(300_000) == 1


def test_networks_may_learn_in_half_precision(some, subject, monkeypatch):
    monkeypatch.setattr("pipelines.train.optimizer.bfloat16_supported", lambda *_: True)
    learner, whole = fresh(subject), fresh(subject)
    seen = []
    learner.networks.net.target.glass.head.register_forward_hook(lambda *given: seen.append(given[2].dtype))
    told = learner.learn(some, subject)
    monkeypatch.undo()
    assert seen == [torch.bfloat16]
    assert told["loss"] == pytest.approx(whole.learn(some, subject)["loss"], rel=0.05)
    assert {weight.dtype for weight in learner.networks.net.parameters()} == {torch.float32}


def run(folder, steps, *more):
    words = ["train", "liquid-warping", "-o", str(folder), "--steps", str(steps), "--size", str(SIDE), "--people", "1"]
    return main([*words, "--quiet", *more])


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(NETWORK_SHAPES, "paper", narrow("paper"))


@pytest.mark.slow  # as in test_corrections and test_store_training, whose loop it is
def test_a_run_goes_on_where_it_was_to_the_bit(tmp_path, small, unchecked_shapes):
    for name, steps in (("once", 3), ("twice", 1), ("twice", 3)):
        assert run(tmp_path / name, steps) == 0
    one, other = (read_weights(tmp_path / name / CHECKPOINT_FILE)[1] for name in ("once", "twice"))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert_close(other[name], tensor, rtol=0, atol=0)
    about, weights = read_weights(tmp_path / "once" / WEIGHTS_FILE)
    assert (about["shape"], about["photos"], about["backbone"]) == ("paper", 1, "efficientnet-lite0")
    assert weights["target.glass.head.weight"].dtype == torch.float16
    assert (tmp_path / "once" / PREVIEW_FILE).stat().st_size > 1000
    assert (tmp_path / "once" / LOG_FILE).read_text().count("\n") == 1


@pytest.mark.slow
def test_a_trial_learns_with_options_from_a_file(tmp_path, small, capsys, unchecked_shapes):
    (tmp_path / "options.toml").write_text(
        f"[train.liquid-warping]\nsize = {SIDE}\nsmoke = true\npeople = 1\nphotos = 2\n"
    )
    words = [
        "train",
        "liquid-warping",
        "-o",
        str(tmp_path / "run"),
        "--quiet",
        "--config",
        str(tmp_path / "options.toml"),
    ]
    assert main(words) == 0
    assert "step 20" in capsys.readouterr().out
    assert read_weights(tmp_path / "run" / WEIGHTS_FILE)[0]["photos"] == 2


def test_a_backbone_without_weights_is_asked_for_them(tmp_path, capsys):
    assert run(tmp_path / "run", 1, "--backbone", "vgg19") == 4
    assert "VGG-19's weights are not shipped" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_weights_of_other_networks_are_refused(tmp_path, small, capsys):
    shipped = find_asset("human_parsing.safetensors")
    assert run(tmp_path / "run", 1, "--begin", str(shipped)) == 2
    assert "human_parsing.safetensors holds other networks" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    write_weights(tmp_path / "other" / CHECKPOINT_FILE, {"step": 1}, {"now.x": torch.zeros(1)})
    assert run(tmp_path / "other", 2) == 2
    assert "other holds other networks" in capsys.readouterr().err


@pytest.fixture
def weights(tmp_path, subject, small):
    """Of networks that have learnt nothing, as a run stores them."""
    task = TrainingTask(subject, lambda first, rank: iter(()), LoopSettings(), {"shape": "paper"})
    save_training_state(tmp_path, fresh(subject), LiquidWarpingOptions(), task)
    return tmp_path / WEIGHTS_FILE


def test_weights_that_a_run_stores_draw_a_person(weights):
    generator = load_liquid_warping_generator(MODEL, weights)
    view = view_of_body(MODEL, rasterize, *standing(0.4), (72, 48))
    drawn = generator.draw(generator.encode(source(standing(), standing(2))), view)
    assert isinstance(generator, Painter)
    assert (drawn.colour.shape, drawn.cover.shape) == ((1, 3, 72, 48), (1, 1, 72, 48))
    assert all(0 <= part.min() < part.max() <= 1 for part in (drawn.colour, drawn.cover))
    assert type(load_generator("liquid-warping", MODEL, weights)) is Painter
    with pytest.raises(ValueError, match="train them with `motion-imitate train liquid-warping`, or give --weights"):
        load_liquid_warping_generator(MODEL)


def test_weights_that_cannot_be_used_are_refused(weights, tmp_path, capsys):
    photo, clip = DATA / "one_person.jpg", find_asset("demo/clip.mp4")
    words = ["imitate", str(photo), str(clip), "-o", str(tmp_path / "out.mp4")]
    assert main([*words, "--weights", str(weights)]) == 2
    assert "holds networks of the renderer liquid-warping; give --renderer" in capsys.readouterr().err
    assert main([*words, "--renderer", "avatar", "--weights", str(weights)]) == 2
    assert "give --renderer corrections or liquid-warping" in capsys.readouterr().err
    assert main([*words, "--renderer", "liquid-warping"]) == 2
    assert "train them with `motion-imitate train liquid-warping`" in capsys.readouterr().err
    assert main([*words, "--renderer", "corrections", "--weights", str(weights)]) == 3
    assert "holds networks of the renderer liquid-warping" in capsys.readouterr().err
    ours = ["--renderer", "liquid-warping", "--weights"]
    for command in ([*words, *ours], ["evaluate", str(clip), "--weights"]):
        assert main([*command, str(tmp_path / "none.safetensors")]) == 4
        assert "no weights at" in capsys.readouterr().err
        assert main([*command, str(find_asset("face_identity.safetensors"))]) == 3
        assert "does not say which networks" in capsys.readouterr().err
