"""Losses whose values are known by hand, and which way their gradients go."""

import math
from dataclasses import astuple

import cv2
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.estimators.face import FaceNets, align_faces
from motion_imitate.estimators.identity import FaceIdentityNet
from motion_imitate.training import losses
from motion_imitate.training.losses import PAPER_PERCEPTUAL, LossWeights, PerceptualSettings, perceptual_loss

SIZE = (20, 30)


def noise(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def halves():
    """Two masks: the left half, and nothing."""
    where = torch.zeros(2, 1, *SIZE)
    where[0, :, :, :15] = 1
    return where


def pyramid(pictures):
    """Features that can be computed in the head: the picture at three sizes."""
    return [torch.nn.functional.avg_pool2d(pictures, k) if k > 1 else pictures for k in (1, 2, 5)]


def test_the_papers_weights():
    assert astuple(LossWeights()) == (10, 10, 5, 1, 1, 1)
    assert PAPER_PERCEPTUAL.weights == (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)


def test_the_total_is_the_weighed_sum_of_means():
    ones = {name: torch.tensor([0.5, 1.5]) for name in vars(LossWeights())}
    assert losses.weighted_loss_sum(ones).item() == 28
    assert losses.weighted_loss_sum({"face": torch.tensor([2.0, 0.0])}).item() == 5
    broken = {"mask": torch.tensor([3.0]), "adversarial": torch.tensor([math.nan])}
    assert losses.weighted_loss_sum(broken, LossWeights(adversarial=0.0)).item() == 3
    assert losses.weighted_loss_sum({"mask": torch.ones(1)}, LossWeights(mask=0.0)).item() == 0
    with pytest.raises(ValueError, match="no loss 'style'; give some of reconstruction, perceptual, face"):
        losses.weighted_loss_sum({"style": torch.ones(1)})
    with pytest.raises(ValueError, match="no losses to add up"):
        losses.weighted_loss_sum({})


def test_reconstruction_is_the_mean_fault_of_what_counts():
    truth = noise(2, 3, *SIZE)
    picture = truth.clone()
    picture[:, :, :, :15] += 0.2
    assert_close(losses.reconstruction_loss(picture, truth), torch.tensor([0.1, 0.1]))
    assert_close(losses.reconstruction_loss(picture, truth, halves()), torch.tensor([0.2, 0.0]))
    assert_close(losses.reconstruction_loss(picture, truth, 1 - halves()), torch.tensor([0.0, 0.1]))
    assert losses.reconstruction_loss(truth, truth).tolist() == [0, 0]


@pytest.mark.parametrize("apart", ["absolute", "turned"])
def test_perceptual_distance_is_nothing_only_for_the_same(apart):
    how = PerceptualSettings((1.0, 1.0, 1.0), apart)
    a, b = noise(2, 3, *SIZE), noise(2, 3, *SIZE, seed=1)
    assert perceptual_loss(pyramid, a, a, how=how).tolist() == [0, 0]
    assert (perceptual_loss(pyramid, a, b, how=how) > 0.01).all()


def test_perceptual_distances_by_hand():
    truth = torch.full((1, 3, *SIZE), 0.5)
    assert perceptual_loss(
        pyramid, truth + 0.1, truth, how=PerceptualSettings((1.0, 10.0, 100.0), "absolute")
    ).item() == pytest.approx(11.1, rel=1e-5)
    assert perceptual_loss(pyramid, 3 * truth, truth, how=PerceptualSettings((1.0, 1.0, 1.0))).item() == pytest.approx(
        0, abs=1e-6
    )
    red, green = (torch.eye(3)[i][None, :, None, None].expand(1, 3, *SIZE) for i in (0, 1))
    for other, expected in ((green, 2), (-red, 4), (red + green, 2 - math.sqrt(2))):
        assert perceptual_loss(pyramid, other, red, how=PerceptualSettings((0.25, 0.5, 0.25))).item() == pytest.approx(
            expected
        )


def test_only_what_counts_is_perceived():
    truth = noise(2, 3, *SIZE)
    picture = truth.clone()
    picture[:, :, :, 15:] = 1 - picture[:, :, :, 15:]
    how = PerceptualSettings((1.0, 0.0, 1.0), "absolute")  # 2 does not divide 15
    assert perceptual_loss(pyramid, picture, truth, halves(), how).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert (perceptual_loss(pyramid, picture, truth, how=how) > 0.1).all()


def test_perceptual_gradients_are_right_and_the_truth_has_none():
    truth = noise(1, 3, 5, 5).double().requires_grad_()
    picture = noise(1, 3, 5, 5, seed=1).double().requires_grad_()
    where = noise(1, 1, 5, 5, seed=2).double()
    for apart in ("absolute", "turned"):

        def f(x, apart=apart):
            return perceptual_loss(pyramid, x, truth, where, PerceptualSettings((1.0, 2.0, 3.0), apart))

        assert torch.autograd.gradcheck(f, picture)
        f(picture).sum().backward()
    assert truth.grad is None
    black = torch.zeros(1, 3, 10, 10, requires_grad=True)  # of length 0: no direction
    perceptual_loss(pyramid, black, noise(1, 3, 10, 10), how=PerceptualSettings((1.0, 1.0, 1.0))).sum().backward()
    assert black.grad.isfinite().all()


def test_nonsense_about_perception_is_said():
    truth = noise(1, 3, 10, 10)
    with pytest.raises(ValueError, match="choose one of absolute, turned"):
        perceptual_loss(pyramid, truth, truth, how=PerceptualSettings((1.0, 1.0, 1.0), "squared"))
    with pytest.raises(ValueError, match="5 weights for features at 3 depths"):
        perceptual_loss(pyramid, truth, truth)


def test_mask_losses_by_hand():
    truth = torch.zeros(2, 1, 4, 4)
    truth[1] = 1
    cover = torch.full_like(truth, 0.25)
    assert_close(losses.mask_loss(cover, truth), torch.tensor([-math.log(0.75), -math.log(0.25)]))
    assert losses.mask_loss(truth, truth).tolist() == [0, 0]
    assert losses.mask_loss(1 - truth, truth).tolist() == [100, 100]
    step = torch.zeros(1, 1, 4, 5)
    step[..., 2:] = 0.8  # one of four steps across in each row, none down
    assert losses.smoothness_loss(step).item() == pytest.approx(0.2)
    assert losses.smoothness_loss(step.mT).item() == pytest.approx(0.2)
    assert losses.smoothness_loss(torch.full((1, 1, 4, 5), 0.3)).item() == 0


def test_least_squares_scores_by_hand_and_at_their_optimum():
    score = noise(3, 1, 4, 4) * 4 - 2
    assert losses.discriminator_loss(torch.ones(3, 1, 4, 4), -torch.ones(3, 1, 4, 4)).tolist() == [0, 0, 0]
    assert losses.discriminator_loss(torch.zeros(1, 2), torch.zeros(1, 2)).tolist() == [2]
    assert losses.adversarial_loss(torch.tensor([[0.0, 2.0], [1.0, -1.0]])).tolist() == [2, 1]
    assert_close(losses.adversarial_loss(score), score.square().mean((1, 2, 3)))
    # of pictures that are real in a quarter of cases the best answer is (1 - 3) / 4; where it can't be known, 0
    for real, made, best in ((1.0, 3.0, -0.5), (1.0, 1.0, 0.0), (3.0, 1.0, 0.5)):
        answer = torch.zeros(1, 1, requires_grad=True)
        for _ in range(60):
            wrong = real * (answer - 1).square() + made * (answer + 1).square()
            halves = (
                losses.discriminator_loss(answer, -torch.ones(1, 1)),
                losses.discriminator_loss(torch.ones(1, 1), answer),
            )
            weighed = real * halves[0] + made * halves[1]
            assert weighed.item() == pytest.approx(wrong.item())
            (slope,) = torch.autograd.grad(weighed.sum(), answer)
            answer = (answer - 0.05 * slope).detach().requires_grad_()
        assert answer.item() == pytest.approx(best, abs=1e-3)
    assert losses.adversarial_loss(torch.zeros(1, 1)).item() == 0  # where made and real are alike, nothing is to gain


def box_of(rows, columns, size):
    """Image points of a box of pixels."""
    low, high = (
        torch.tensor([c, r]) * 2 / torch.tensor([size[1], size[0]]) - 1 for c, r in zip(columns, rows, strict=True)
    )
    return torch.cat([low, high])[None]


def test_small_faces_do_not_count():
    size = (300, 400)
    boxes = torch.cat([box_of((10, 10 + h), (20, 20 + w), size) for h, w in ((79, 60), (81, 60), (60, 81), (79, 79))])
    assert_close(losses.face_box_pixels(boxes, size), torch.tensor([79.0, 81, 81, 79]))
    assert losses.face_large_enough(boxes, size).tolist() == [0, 1, 1, 0]
    assert losses.face_large_enough(torch.full((1, 4), math.nan), size).tolist() == [0]


def test_the_mask_of_a_face_is_its_box():
    size = (200, 240)
    boxes = torch.cat([box_of((30, 130), (50, 130), size), box_of((30, 60), (50, 80), size)])
    masks = losses.face_box_mask(boxes, size)
    assert masks.sum((1, 2, 3)).tolist() == [100 * 80, 30 * 30]
    assert masks[0, :, 30:130, 50:130].all()


@pytest.fixture(scope="module")
def identity():
    return FaceIdentityNet()


def face(size=(360, 400), centre=(200, 170), radius=75, skin=(150, 180, 224), mouth=0.65):
    """A face as children draw it, and its box."""
    image = torch.full((*size, 3), 100, dtype=torch.uint8).numpy()
    for x, y, wide, high, colour in (
        *((0, -0.15, 0.9, 1.15, (30, 40, 60)), (0, 0.1, 0.75, 1.0, skin)),
        *((-0.3, -0.05, 0.15, 0.08, (240, 240, 240)), (0.3, -0.05, 0.15, 0.08, (240, 240, 240))),
        *((-0.3, -0.05, 0.06, 0.07, (20, 30, 50)), (0.3, -0.05, 0.06, 0.07, (20, 30, 50))),
        *((0, 0.25, 0.07, 0.2, (130, 150, 200)), (0, mouth, 0.25, 0.07, (80, 80, 180))),
    ):
        at = (round(centre[0] + x * radius), round(centre[1] + y * radius))
        axes = (max(1, round(wide * radius)), max(1, round(high * radius)))
        cv2.ellipse(image, at, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    x, y = centre
    box = box_of(
        (round(y - 0.8 * radius), round(y + 1.1 * radius)), (round(x - 0.75 * radius), round(x + 0.75 * radius)), size
    )
    return torch.from_numpy(cv2.GaussianBlur(image, (0, 0), radius / 40)).flip(2).permute(2, 0, 1)[
        None
    ].float() / 255, box


def test_a_face_is_itself_and_less_so_the_more_it_is_blurred(identity):
    truth, box = face()
    same = losses.face_identity_loss(identity, truth, truth, box)
    assert same.item() == 0
    blurred = [
        torch.from_numpy(cv2.GaussianBlur(truth[0].permute(1, 2, 0).numpy(), (0, 0), s)).permute(2, 0, 1)[None]
        for s in (2, 5, 12)
    ]
    apart = [losses.face_identity_loss(identity, picture, truth, box).item() for picture in blurred]
    assert 0 < apart[0] < apart[1] < apart[2]


def test_a_face_is_the_same_wherever_it_is_and_at_any_size(identity):
    here, box = face()
    there, other = face(size=(700, 800), centre=(420, 330), radius=150)
    a, b = (identity(losses.crop_faces(p, at)) for p, at in ((here, box), (there, other)))
    strange, at = face(skin=(40, 60, 80), mouth=0.5)
    assert (a - b).norm() < 0.5 * (a - identity(losses.crop_faces(strange, at))).norm()


def test_gradients_make_a_face_more_like_the_truth_and_stay_in_its_square(identity):
    truth, box = face()
    picture, _ = face(skin=(100, 120, 160))
    picture.requires_grad_()
    before = losses.face_identity_loss(identity, picture, truth, box)
    (slope,) = torch.autograd.grad(before.sum(), picture)
    after = losses.face_identity_loss(identity, (picture - 0.5 * slope / slope.norm()).detach(), truth, box)
    assert after < 0.95 * before
    assert slope[..., :90].abs().max() == 0
    assert slope[:, :, 120:240, 150:250].abs().max() > 0


def test_a_small_face_in_a_batch_weighs_nothing_and_has_no_gradient(identity):
    truth, box = face()
    small = box_of((100, 160), (170, 230), (360, 400))
    picture = (truth.repeat(2, 1, 1, 1) * 0.7).requires_grad_()
    apart = losses.face_identity_loss(identity, picture, truth.repeat(2, 1, 1, 1), torch.cat([small, box]))
    assert apart[0].item() == 0
    assert_close(apart[1:], losses.face_identity_loss(identity, picture[1:], truth, box))
    apart.sum().backward()
    assert picture.grad[0].abs().max() == 0
    assert picture.grad[1].abs().max() > 0
    assert losses.face_identity_loss(identity, picture, truth.repeat(2, 1, 1, 1), small.repeat(2, 1)).tolist() == [0, 0]


def test_a_box_cuts_about_the_square_that_alignment_does(identity):
    """Of the found points: the same face to the network as when it is aligned by them."""
    image, _ = face(size=(480, 640), centre=(250, 220), radius=120)
    found = FaceNets().find(image[0])
    box = torch.cat([found.points.amin(0), found.points.amax(0)])[None]
    cut, aligned = identity(losses.crop_faces(image, box)), identity(align_faces(image, found.points[None]))
    assert (cut - aligned).norm() < 0.4


def test_the_largest_value_around_is_that_of_the_whole_square():
    values = noise(2, 3, *SIZE)
    assert torch.equal(losses.largest_around(values, 4), torch.nn.functional.max_pool2d(values, 9, 1, 4))
