"""Pairs of views as the networks see them: pictures in [-1, 1], the person over grey (0)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from motion_imitate.generators.pose_maps import openpose_points
from motion_imitate.training import losses
from motion_imitate.training.backbones import Backbone
from motion_imitate.training.store_pairs import PersonViews

CROP_SIDE, CROP_COUNT = 64, 8  # pixels, and crops of a batch that the perceptual loss looks at


def photo_over_grey(views: PersonViews) -> Float[Tensor, "B 3 H W"]:
    """The photo over grey by the matte that an estimator found."""
    return (2 * views.picture - 1) * views.matte


def truth_over_grey(views: PersonViews) -> Float[Tensor, "B 3 H W"]:
    """The person over grey as they truly are."""
    return 2 * views.colour - views.alpha


def found_pose(views: PersonViews) -> tuple[Tensor, Tensor]:
    """OpenPose's points as an estimator finds them, and which are present."""
    return openpose_points(views.found_points, views.visible)


def to_unit_range(picture: Float[Tensor, "B _ H W"]) -> Float[Tensor, "B 3 H W"]:
    """The colours of a network's output, in [0, 1]."""
    return ((picture[:, :3].float() + 1) / 2).clamp(0, 1)


def alpha_loss(drawn: Float[Tensor, "B O H W"], truth: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
    """Cross entropy of the fourth channel, a logit; 0 where there is none."""
    if drawn.shape[1] == 3:
        return drawn.new_zeros(len(drawn))
    return binary_cross_entropy_with_logits(drawn[:, 3:], truth, reduction="none").mean((1, 2, 3))


@dataclass(frozen=True)
class CropPerception:
    """The perceptual loss of small crops around people, by the first three depths of a backbone."""

    eyes: Backbone

    def __call__(
        self, drawn: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], where: Float[Tensor, "B 1 H W"]
    ) -> Float[Tensor, " n"]:
        """Distances of crops of pictures in [-1, 1]."""
        side = min(CROP_SIDE, *drawn.shape[2:])
        seen = losses.crop_windows(torch.cat([drawn, truth, where], 1), where, side, CROP_COUNT)
        made, true, weight = seen.split((3, 3, 1), 1)
        how = losses.SHALLOW_PERCEPTUAL
        return losses.perceptual_loss(self.eyes, to_unit_range(made), to_unit_range(true), weight + 0.1, how)
