"""`motion-imitate train liquid-warping`: teaches the published networks, which paint the whole person."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from motion_imitate.estimators.identity import Identity
from motion_imitate.generators.liquid_warping import SHAPES, Made, Networks, Shape
from motion_imitate.training import losses
from motion_imitate.training.backbones import Backbone, load_backbone
from motion_imitate.training.lessons import Sitting, Teaching, sitting
from motion_imitate.training.losses import PAPER, Perceiving, Weights
from motion_imitate.types import cat
from pipelines.motion.estimate import check_device
from pipelines.reporter import Talk
from pipelines.train.distributed import ranked
from pipelines.train.loop import Course, Learning, pairs, teach
from pipelines.train.optimizer import Attempt, Pace, Shown
from pipelines.train.options import Painted

UNCUT = 1e6  # norm of gradients that is never reached: the papers cut none
PACES = {
    "paper": Pace(2e-4, (0.5, 0.999), 1, UNCUT, falls=(24_000, 145_000)),  # the paper's 5 and 30 epochs, in steps
    "attention": Pace(1e-4, (0.9, 0.999), 1, UNCUT, critic_rate=1e-4, critic_betas=(0.9, 0.999)),
}
PERCEIVING = {"vgg19": PAPER, "efficientnet-lite0": Perceiving()}


@dataclass(frozen=True)
class Painting:
    """To paint the person of photos as a view shows them, and what is behind."""

    eyes: Backbone
    faces: Identity
    shape: Shape
    perceiving: Perceiving = field(default_factory=Perceiving)
    weights: Weights = field(default_factory=Weights)

    def networks(self) -> Networks:
        return Networks(self.shape)

    def attempt(self, networks: Callable[..., Made], lessons: Sitting) -> Attempt:
        pairs, truth = lessons.pairs, lessons.truth
        made = networks(pairs).map(Tensor.float)
        again, masks = made.source.flatten(0, 1), (made.source_mask.flatten(0, 1), made.target_mask)
        true_masks = ((pairs.person.flatten(0, 1) < 0.5).to(truth.matte), 1 - truth.matte)
        wrong = {
            "reconstruction": losses.reconstruction(again, pairs.image.flatten(0, 1)),
            "perceptual": losses.perceptual(self.eyes, made.target, truth.image, how=self.perceiving),
            "face": losses.face_identity(self.faces, made.target, truth.image, truth.face),
            "mask": losses.mask(torch.cat(masks), torch.cat(true_masks)),
            "smooth": losses.smooth(torch.cat(masks)),
        }
        seen, true = (torch.cat([2 * x - 1, pairs.target], 1) for x in (made.target, truth.image))
        return Attempt(wrong, seen, true)

    def weighed(self, wrong: dict[str, Tensor]) -> Tensor:
        return losses.total(wrong, self.weights)

    def shown(self, networks: Callable[..., Made], lessons: Sitting) -> Shown:
        """Photo, what is behind, the view that is made, truth."""
        made = networks(lessons.pairs)
        rows = torch.cat([lessons.pairs.image[:, 0], made.background, made.target, lessons.truth.image], 3)
        return Shown({}, rows)


def given(how: Painted, lot: int, number: int) -> bytes:
    return sitting(pairs(how, how.photos + 1), number, Teaching(how.photos)).packed()


def taken(device: str, some: list[bytes]) -> Sitting:
    return cat([Sitting.unpacked(one) for one in some]).to(device)


def liquid_warping(folder: Path, how: Painted, talk: Talk) -> int:
    """The exit code."""
    pairs(how, how.photos + 1)  # whose folders it looks at
    with ranked(how.device) as rank:
        check_device(rank.device)
        eyes: Backbone = load_backbone(how.backbone, how.backbone_weights).to(rank.device)
        subject = Painting(eyes, Identity(rank.device), SHAPES[how.shape], PERCEIVING[how.backbone])
        learning = Learning(PACES[how.shape], least=300)
        about = {"shape": how.shape, "photos": how.photos, "backbone": how.backbone}
        course = Course(subject, partial(given, how), partial(taken, rank.device), learning, about)
        return teach(folder, how, course, rank, talk)
