"""Human Mesh Recovery: the published layers and counts, and landmarks that are those of the regressed body."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.bodies import load_body, stored
from motion_imitate.bodies.skinning import posed_keypoints
from motion_imitate.estimators import hmr
from motion_imitate.estimators.hmr import HMR_FORMS, Hmr, HmrGuess, load_hmr, write_hmr
from motion_imitate.estimators.hmr_bodies import SMPL_PELVIS, HmrBodies
from motion_imitate.estimators.hmr_estimator import roi_of_person
from motion_imitate.estimators.resnet50 import ResNet50, ResNet50V2
from motion_imitate.estimators.rig import BENDS
from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Body
from motion_imitate.weights import write_weights
from tests.support.small_smpl import converted

PARAMETERS = {  # of encoder and regressor; the papers' networks have 26.84 and 26.98 million together
    "published": (23_519_360, 3_322_026),
    "published-anny": (23_519_360, 3_291_276),
    "spin": (23_508_032, 3_469_626),
    "small": (2_958_848, 213_246),
}


def random_turns(count, joints, seed=0, size=0.4):
    vectors = size * torch.randn(count, joints, 3, generator=torch.Generator().manual_seed(seed))
    return rotation_vector_to_matrix(vectors)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Hmr(HMR_FORMS["small"]).eval()


@pytest.mark.parametrize("form", HMR_FORMS)
def test_each_form_has_its_number_of_parameters(form):
    net = Hmr(HMR_FORMS[form])
    counts = [sum(p.numel() for p in part.parameters()) for part in (net.encoder, net.regressor)]
    assert tuple(counts) == PARAMETERS[form]


@pytest.mark.parametrize(
    ("layout", "strided"),
    [(ResNet50V2, ["layer1.2", "layer2.3", "layer3.5"]), (ResNet50, ["layer2.0", "layer3.0", "layer4.0"])],
)
def test_the_stride_is_where_the_layout_has_it(layout, strided):
    net = layout(4)
    found = [
        name.removesuffix(".conv2")
        for name, part in net.named_modules()
        if name.endswith("conv2") and part.stride == (2, 2)
    ]
    assert found == strided
    assert net(torch.rand(2, 3, 224, 224)).shape == (2, 128)


def test_a_resnet_of_the_second_version_passes_on_what_it_is_given():
    """Its shortcuts are not normalized: with silent last convolutions a block subsamples its input, and no more."""
    block = ResNet50V2(4).layer1[2].eval()
    torch.nn.init.zeros_(block.conv3.weight)
    torch.nn.init.zeros_(block.conv3.bias)
    x = torch.randn(2, 16, 8, 8)
    assert_close(block(x), x[:, :, ::2, ::2])


def test_the_first_guess_faces_the_camera_upright():
    for form, config in HMR_FORMS.items():
        guess = hmr.read_hmr_numbers(hmr.initial_hmr_numbers(config)[None], config)
        assert guess.scale.item() == pytest.approx(0.9)
        assert_close(guess.turns[0, 0], torch.diag(torch.tensor([1.0, -1, -1])), atol=1e-6, rtol=0, msg=form)
        assert_close(guess.turns[0, 1:], torch.eye(3).expand(config.rotations - 1, 3, 3), atol=1e-6, rtol=0)


def test_each_pass_corrects_the_one_before(small):
    guesses = small(torch.rand(2, 3, 128, 128))
    assert len(guesses) == 3
    steps = [(a.turns - b.turns).abs().max().item() for a, b in zip(guesses[1:], guesses, strict=False)]
    assert min(steps) > 1e-4
    for guess in guesses:
        assert_close(guess.turns @ guess.turns.mT, torch.eye(3).expand_as(guess.turns), atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", ["published", "spin", "small"])
def test_gradients_reach_all_parameters(form):
    torch.manual_seed(0)
    net = Hmr(replace(HMR_FORMS[form], hidden=32))
    guess = net(torch.rand(4, 3, 64, 64))[-1]
    told = torch.cat([guess.turns.flatten(1), guess.project(torch.rand(4, 5, 3)).flatten(1), guess.shape], 1)
    (told * torch.rand_like(told)).sum().backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]


def test_what_was_written_is_what_is_loaded(tmp_path, small):
    write_hmr(tmp_path / "a.safetensors", small, {})
    again = load_hmr(tmp_path / "a.safetensors")
    picture = torch.rand(1, 3, 128, 128)
    assert_close(again(picture)[-1].turns, small(picture)[-1].turns)


def test_a_file_of_something_else_is_refused(tmp_path):
    write_weights(tmp_path / "a.safetensors", {"model": "lifter"}, {"x": torch.zeros(1)})
    with pytest.raises(ValueError, match="convert hmr"):
        load_hmr(tmp_path / "a.safetensors")


def test_landmarks_of_anny_are_those_of_its_posed_mesh():
    model = load_body("anny")
    guessed = HmrBodies(model)
    bends = random_turns(3, 1 + len(BENDS))
    guess = HmrGuess(torch.ones(3), torch.zeros(3, 2), bends, torch.randn(3, 10))
    body = guessed.body(guess)
    want = flip_camera_axes(posed_keypoints(model, body, "blazepose33"))
    assert_close(guessed.landmarks(guess), want, atol=2e-4, rtol=0)
    assert_close(guessed.bend_turns(body), bends, atol=1e-4, rtol=0)


def test_landmarks_of_smpl_are_those_of_its_mesh_about_its_own_origin(tmp_path):
    model = stored.read_body_file(converted(tmp_path))
    guess = HmrGuess(torch.ones(2), torch.zeros(2, 2), random_turns(2, 24), torch.randn(2, 10))
    want = posed_keypoints(model, Body(guess.turns, guess.shape), "blazepose33") + torch.tensor(SMPL_PELVIS)
    assert_close(HmrBodies(model).landmarks(guess), want, atol=1e-4, rtol=0)


def test_the_crop_shows_the_person_at_the_published_size():
    points = torch.tensor([[100.0, 50.0], [160.0, 130.0], [900.0, 900.0]])
    roi = roi_of_person(points, torch.tensor([1.0, 1.0, 0.1]))
    assert (roi.x, roi.y, roi.turn) == (130, 90, 0)
    assert 100 / roi.side == pytest.approx(150 / 224)
