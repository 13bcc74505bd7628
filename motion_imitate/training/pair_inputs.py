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

PERSON_REACH = 4  # pixels around the person that also count


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
    """Perceptual and style losses of crops around people, by the first three depths of a backbone."""

    eyes: Backbone
    side: int = 64  # of the crops, in pixels
    count: int = 8  # crops of a batch

    def __call__(
        self, drawn: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], alpha: Float[Tensor, "B 1 H W"]
    ) -> dict[str, Float[Tensor, " n"]]:
        """Losses by name of crops of pictures in [-1, 1]."""
        near = losses.largest_around(alpha, PERSON_REACH)
        side = min(self.side, *drawn.shape[2:])
        made, true, weight = losses.crop_windows(torch.cat([drawn, truth, near], 1), near, side, self.count).split(
            (3, 3, 1), 1
        )
        seen = self.eyes(to_unit_range(made))
        with torch.no_grad():
            goals = self.eyes(to_unit_range(true))
        how = losses.SHALLOW_PERCEPTUAL
        return {
            "perceptual": losses.compare_features(seen, goals, weight + 0.1, how),
            "style": losses.style_loss(seen, goals),
        }
