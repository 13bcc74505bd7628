"""The losses of Human Mesh Recovery, and its discriminator of poses and shapes. Each loss is one number per person."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.estimators.hmr import HmrGuess


@dataclass(frozen=True)
class HmrLossWeights:
    """The loss weights of the paper."""

    keypoints: float = 60.0
    joints: float = 60.0
    body: float = 60.0
    adversarial: float = 1.0


def keypoint_loss(
    points: Float[Tensor, "B K 2"], truth: Float[Tensor, "B K 2"], visible: Float[Tensor, "B K"]
) -> Float[Tensor, " B"]:
    """L1 distance of image points in the crop, over the visible ones."""
    off = (points - truth).abs().mean(2) * visible
    return off.sum(1) / visible.sum(1).clamp(min=1)


def joint_loss(
    points: Float[Tensor, "B K 3"], truth: Float[Tensor, "B K 3"], hips: tuple[int, ...]
) -> Float[Tensor, " B"]:
    """Half the mean squared distance of points in metres, both from the middle of the hips."""
    apart = points - points[:, hips].mean(1, keepdim=True) - truth + truth[:, hips].mean(1, keepdim=True)
    return 0.5 * apart.square().mean((1, 2))


def body_loss(guess: HmrGuess, turns: Float[Tensor, "B J 3 3"], shape: Float[Tensor, "B S"]) -> Float[Tensor, " B"]:
    """Half the mean squared error of rotation matrices and shape, taken as one vector."""
    off = torch.cat([(guess.turns - turns).flatten(1), guess.shape - shape], 1)
    return 0.5 * off.square().mean(1)


class BodyDiscriminator(nn.Module):
    """The factorized discriminator: one score for each joint's rotation, one for all of them, one for the shape.

    The target score is 1 for recorded bodies and 0 for regressed ones.
    """

    def __init__(self, joints: int = 23, shapes: int = 10, width: int = 32, hidden: int = 1024) -> None:
        super().__init__()
        self.share = nn.Sequential(nn.Linear(9, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.each = nn.Conv1d(joints * width, joints, 1, groups=joints)  # a linear layer for each joint
        self.pose = nn.Sequential(
            nn.Linear(joints * width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self.shape = nn.Sequential(nn.Linear(shapes, 10), nn.ReLU(), nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))

    def forward(self, turns: Float[Tensor, "B J 3 3"], shape: Float[Tensor, "B S"]) -> Float[Tensor, "B D"]:
        """Scores of rotations, without the root's, and shapes."""
        told = self.share(turns.flatten(2)).flatten(1)
        return torch.cat([self.each(told[..., None])[..., 0], self.pose(told), self.shape(shape)], 1)


def body_discriminator_loss(real: Float[Tensor, "B D"], made: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    """The discriminator's loss."""
    return (real - 1).square().sum(1) + made.square().sum(1)


def body_adversarial_loss(made: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    """The regressor's loss, for the bodies of one pass."""
    return (made - 1).square().sum(1)
