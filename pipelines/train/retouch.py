"""`motion-imitate train retouch`: teaches the networks that mend what the geometric generator draws."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from motion_imitate.compositing.compose import compose
from motion_imitate.estimators.identity import Identity
from motion_imitate.generators.liquid_warping import SHAPES, SID, TSF, Heads
from motion_imitate.generators.retouch import Draft, Retouching, changed, framed, held
from motion_imitate.training import losses
from motion_imitate.training.backbones import Backbone, load_backbone
from motion_imitate.training.lessons import Lesson, Teaching, Truth, lesson
from motion_imitate.types import cat
from pipelines.motion.estimate import check_device
from pipelines.reporter import Talk
from pipelines.train.distributed import ranked
from pipelines.train.loop import Course, Learning, pairs, teach
from pipelines.train.optimizer import Attempt, Pace, Shown
from pipelines.train.options import Mended

STILL = 0.15  # how often one of the views is the photo itself
TWO = 4  # of so many lots of lessons, one has two photos


@dataclass(frozen=True)
class Weights:
    perceptual: float = 1.0
    colour: float = 4.0
    cover: float = 2.0
    face: float = 2.0
    identity: float = 0.5
    adversarial: float = 0.0


class Networks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = SID(SHAPES["small"]), TSF(SHAPES["small"])

    def forward(
        self, lessons: list[Lesson], how: Retouching
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
        """Colour and cover of all views, at their own size."""
        features = self.source.features(torch.stack([one.looked.picture for one in lessons]))
        drafts = cat([one.drafts for one in lessons])
        ways = [framed(one.drafts.drawn, one.looked.frame) for one in lessons]
        flows, valid = (torch.cat(parts) for parts in zip(*ways, strict=True))
        heads = self.target(drafts.picture, features, flows, valid)
        made, start = [], 0
        for one in lessons:
            part = slice(start, start := start + len(one.truth))
            said = held(Heads(*(head[part].float() for head in heads)), one.drafts.drawn, how)
            drawn = changed(one.drafts, said, how)
            made.append(composed(Draft(one.drafts.picture, drawn), one))
        colour, cover = (torch.cat(parts) for parts in zip(*made, strict=True))
        return colour, cover


def composed(draft: Draft, one: Lesson) -> tuple[Tensor, Tensor]:
    return compose(draft.drawn, one.palette, (draft.picture.shape[2], draft.picture.shape[3]))


def over(made: tuple[Tensor, Tensor], truth: Truth) -> Float[Tensor, "B 3 H W"]:
    colour, cover = made
    return colour * cover + truth.behind * (1 - cover)


@dataclass(frozen=True)
class Mending:
    """To make of drafts what people really look like."""

    eyes: Backbone
    faces: Identity
    weights: Weights = field(default_factory=Weights)
    reach: int = 9  # pixels round the person that count, too
    how: Retouching = field(default_factory=Retouching)

    def networks(self) -> Networks:
        return Networks()

    def attempt(self, networks: Callable[..., tuple[Tensor, Tensor]], lessons: list[Lesson]) -> Attempt:
        made = networks(lessons, self.how)
        truth = cat([one.truth for one in lessons])
        shown = torch.cat([one.drafts.places for one in lessons])
        seen, true = (torch.cat([2 * x - 1, shown], 1) for x in (over(made, truth), truth.image))
        return Attempt(self.wrong(made, lessons), seen, true)

    def wrong(self, made: tuple[Tensor, Tensor], lessons: list[Lesson]) -> dict[str, Tensor]:
        """A number for each view."""
        truth = cat([one.truth for one in lessons])
        started = torch.cat([one.drafts.drawn.cover for one in lessons])
        where = max_pool2d(torch.maximum(truth.matte, started), 2 * self.reach + 1, 1, self.reach)
        picture = over(made, truth)
        size = (picture.shape[2], picture.shape[3])
        return {
            "perceptual": losses.perceptual(self.eyes, picture, truth.image, where),
            "colour": losses.reconstruction(picture, truth.image, where),
            "cover": losses.reconstruction(made[1], truth.matte, where),
            "face": losses.reconstruction(picture, truth.image, losses.inside(truth.face, size)),
            "identity": losses.face_identity(self.faces, picture, truth.image, truth.face),
        }

    def weighed(self, wrong: dict[str, Tensor]) -> Tensor:
        return torch.stack([float(getattr(self.weights, k)) * value.mean() for k, value in wrong.items()]).sum()

    def shown(self, networks: Callable[..., tuple[Tensor, Tensor]], lessons: list[Lesson]) -> Shown:
        """Photo, draft, what is made of it, truth; and what is wrong before anything is changed."""
        drafts = [composed(one.drafts, one) for one in lessons]
        before = (torch.cat([x[0] for x in drafts]), torch.cat([x[1] for x in drafts]))
        truth = cat([one.truth for one in lessons])
        made = over(networks(lessons, self.how), truth)
        photo = torch.cat([one.looked.picture[:1, :3].expand(len(one.truth), -1, -1, -1) for one in lessons])
        rows = torch.cat([photo, over(before, truth), made, truth.image], 3)
        return Shown({f"unchanged {k}": v for k, v in self.wrong(before, lessons).items()}, rows)


def given(how: Mended, lot: int, number: int) -> bytes:
    photos = 2 if lot % TWO == TWO - 1 else 1
    return lesson(pairs(how), number, Teaching(photos, still=STILL, retouch=Retouching(size=how.size))).packed()


def taken(device: str, some: list[bytes]) -> list[Lesson]:
    return [Lesson.unpacked(one).to(device) for one in some]


def retouch(folder: Path, how: Mended, talk: Talk) -> int:
    """The exit code."""
    pairs(how)  # whose folders it looks at
    with ranked(how.device) as rank:
        check_device(rank.device)
        eyes: Backbone = load_backbone("efficientnet-lite0").to(rank.device)
        subject = Mending(eyes, Identity(rank.device), Weights(adversarial=how.adversarial))
        learning = Learning(Pace(after=how.adversarial_after))
        course = Course(subject, partial(given, how), partial(taken, rank.device), learning, {"shape": "small"})
        return teach(folder, how, course, rank, talk)
