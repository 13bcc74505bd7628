"""The losses of Human Mesh Recovery, and the discriminator with its 25 scores."""

import torch
from torch.testing import assert_close

from motion_imitate.estimators.hmr import HmrGuess
from motion_imitate.training.hmr_losses import (
    BodyDiscriminator,
    body_adversarial_loss,
    body_discriminator_loss,
    body_loss,
    joint_loss,
    keypoint_loss,
)

EYE = torch.eye(3).expand(2, 24, 3, 3)


def test_the_discriminator_has_25_scores_and_the_papers_parameters():
    net = BodyDiscriminator()
    assert net(EYE[:, 1:], torch.zeros(2, 10)).shape == (2, 25)
    assert sum(p.numel() for p in net.parameters()) == 1_807_619
    net(torch.randn(2, 23, 3, 3), torch.randn(2, 10)).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_score_of_a_joint_depends_on_that_joint_alone():
    net = BodyDiscriminator()
    moved = EYE[:, 1:].clone()
    moved[:, 4] = torch.diag(torch.tensor([1.0, -1, -1]))
    change = (net(moved, torch.zeros(2, 10)) - net(EYE[:, 1:], torch.zeros(2, 10))).abs()[0] > 0
    assert change[:23].nonzero().tolist() == [[4]]
    assert change[23]
    assert not change[24]


def test_losses_are_0_for_the_truth_and_known_elsewhere():
    points, visible = torch.rand(2, 5, 2), torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    off = points.clone()
    off[:, 0] += 1
    off[:, 4] += 9  # hidden
    assert_close(keypoint_loss(off, points, visible), torch.tensor([0.5, 0]))
    joints = torch.rand(2, 5, 3)
    assert_close(joint_loss(joints + 3, joints, (1, 2)), torch.zeros(2), atol=1e-6, rtol=0)
    guess = HmrGuess(torch.ones(2), torch.zeros(2, 2), EYE, torch.ones(2, 10))
    assert_close(body_loss(guess, EYE, torch.zeros(2, 10)), torch.full((2,), 0.5 * 10 / 226))


def test_targets_of_the_adversarial_losses():
    ones, zeros = torch.ones(2, 25), torch.zeros(2, 25)
    assert_close(body_discriminator_loss(ones, zeros), torch.zeros(2))
    assert_close(body_discriminator_loss(zeros, ones), torch.full((2,), 50.0))
    assert_close(body_adversarial_loss(ones), torch.zeros(2))
