"""The Liquid Warping GAN: one network looks at the photos, another draws a view, and reads at every size what the first
found where the photos show the same spot of the body; a third makes up what is behind the person."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate as resized
from torch.nn.functional import pad

from motion_imitate.generators.blocks import JOINS, at_size, warped
from motion_imitate.generators.hourglass import Hourglass, Net
from motion_imitate.types import Batched


@dataclass(frozen=True)
class Shape:
    """What the networks are like. Heads are channels of what is drawn: colour, cover, trust and offset."""

    source: Net
    target: Net
    background: Net | None
    join: str = "sum"  # or "attention": how each stage takes in what the photos show
    heads: tuple[int, int, int, int] = (3, 1, 0, 0)


FOLLOWING = Net(  # the follow-up's drawing network
    stem=0,
    down=(1, 2, 4),
    norm="none",
    biased=("block", "up", "merge"),
    up_kernel=4,
    head_kernel=5,
    deviation=0.0,
)
SMALL = Net(
    inputs=14,
    outputs=9,
    width=8,
    fold=2,
    stem=3,
    down=(8, 16, 24),
    blocks=4,
    up=(16, 8, 3),
    norm="group",
    biased=("head",),
    stem_kernel=3,
    up_kernel=1,
    head_kernel=3,
    deviation=0.0,
    silent=True,
)

SHAPES: dict[str, Shape] = {
    "paper": Shape(source=Net(), target=Net(), background=Net(inputs=4, outputs=3, skips=False)),
    "attention": Shape(
        source=replace(FOLLOWING, biased=("down", "block", "up"), skips=False),
        target=FOLLOWING,
        background=Net(
            inputs=4,
            outputs=3,
            down=(2, 2, 4),
            up=(2, 2, 1),
            skips=False,
            norm="instance",
            biased=("stem", "down", "block"),
            up_kernel=4,
        ),
        join="attention",
    ),
    "small": Shape(
        source=replace(SMALL, inputs=7, up=(), silent=False, biased=()),
        target=SMALL,
        background=None,
        heads=(3, 1, 3, 2),
    ),
}


class Heads(NamedTuple):
    """What a network draws, as it is: nothing squashes it."""

    colour: Float[Tensor, "B 3 H W"]
    cover: Float[Tensor, "B 1 H W"]
    trust: Float[Tensor, "B G H W"]  # one of each way to read a photo
    offset: Float[Tensor, "B D H W"]


class SID(nn.Module):
    """Looks at photos; in training it draws them again, too."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.glass = Hourglass(shape.source)

    def features(self, picture: Float[Tensor, "*N I H W"]) -> list[Float[Tensor, "*N _ _ _"]]:
        """What each stage finds. Pictures whose size does not suit are seen a little larger."""
        told = self.glass.read(fitting(picture.flatten(0, -4), self.glass.net.step))[1]
        return [x.unflatten(0, picture.shape[:-3]).contiguous() for x in told]

    def forward(self, picture: Float[Tensor, "B I H W"]) -> tuple[Heads, list[Float[Tensor, "B _ _ _"]]]:
        """The photos drawn again, and what each stage finds."""
        start, told = self.glass.read(picture)
        return Heads(*self.glass.draw(start, told).split(self.heads, 1)), told


class TSF(nn.Module):
    """Draws views from what SID found."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.glass = Hourglass(shape.target)
        join = JOINS[shape.join]
        self.joins = nn.ModuleList(join(width) for width in shape.target.widths)

    def forward(
        self,
        picture: Float[Tensor, "B I H W"],
        features: Sequence[Float[Tensor, "*M N _ _ _"]],
        flows: Float[Tensor, "B K H W 2"],
        valid: Bool[Tensor, "B K H W"] | Float[Tensor, "B K H W"],
    ) -> Heads:
        """Way k reads photo k % N; N photos [N, ...] serve all views, or each view has its own [B, N, ...]."""
        height, width = picture.shape[2:]
        below, beside = (-size % self.glass.net.step for size in (height, width))
        if below or beside:
            picture = pad(picture, (0, beside, 0, below), mode="replicate")
            flows, valid = pad(flows, (0, 0, 0, beside, 0, below)), pad(valid, (0, beside, 0, below))
        level = flows, valid

        def join(stage: int, x: Tensor) -> Tensor:
            nonlocal level
            level = at_size(*level, (x.shape[2], x.shape[3]))
            found = features[stage]
            return self.joins[stage](x, warped(found if found.dim() == 5 else found[None], *level))

        drawn = self.glass.draw(*self.glass.read(picture, join))
        return Heads(*drawn[:, :, :height, :width].split(self.heads, 1))


def fitting(picture: Float[Tensor, "B I H W"], step: int) -> Float[Tensor, "B I h w"]:
    """The picture, drawn a little larger where its size is no multiple of `step`."""
    size = tuple(-(-side // step) * step for side in picture.shape[2:])
    return picture if size == picture.shape[2:] else resized(picture, size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Pairs(Batched):
    """What is learnt from: photos of a person, and where another picture shows what they show."""

    image: Float[Tensor, "B N 3 H W"]
    person: Float[Tensor, "B N 1 H W"]  # where the person is; the paper's mask is 1 pixel wider all round
    surface: Float[Tensor, "B N 3 H W"]  # as of `painter.surface`
    behind: Float[Tensor, "B 1 H W"]  # where the first photo shows the background; the paper's keeps 7 pixels off
    target: Float[Tensor, "B 3 H W"]  # the surface that the other picture is to show
    flow: Float[Tensor, "B K H W 2"]
    valid: Bool[Tensor, "B K H W"]


@dataclass(frozen=True)
class Made(Batched):
    """Pictures in [0, 1]; masks are the paper's A: 1 on the background."""

    background: Float[Tensor, "B 3 H W"]
    source: Float[Tensor, "B N 3 H W"]  # the photos, made again
    source_mask: Float[Tensor, "B N 1 H W"]
    target: Float[Tensor, "B 3 H W"]
    target_mask: Float[Tensor, "B 1 H W"]


class Networks(nn.Module):
    """All three, as they learn together. Needs a shape that makes up the background and draws the photos again."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if shape.background is None or not shape.source.up:
            raise ValueError("this shape has networks missing; train 'paper' or 'attention', or take SID and TSF alone")
        self.background, self.source, self.target = Hourglass(shape.background), SID(shape), TSF(shape)

    def forward(self, pairs: Pairs) -> Made:
        people, photos = pairs.image.shape[:2]
        image = 2 * pairs.image - 1
        person = image * pairs.person
        behind = self.background(torch.cat([image[:, 0] * pairs.behind, pairs.behind], 1)).tanh()
        again, told = self.source(torch.cat([person, pairs.surface], 2).flatten(0, 1))
        features = [x.unflatten(0, (people, photos)) for x in told]
        view = torch.cat([read_once(person, pairs.flow, pairs.valid), pairs.target], 1)
        drawn = self.target(view, features, pairs.flow, pairs.valid)
        source, source_mask = over(again, behind.repeat_interleave(photos, 0))
        target, target_mask = over(drawn, behind)
        shape = (people, photos)
        return Made(unit(behind), source.unflatten(0, shape), source_mask.unflatten(0, shape), target, target_mask)


def over(heads: Heads, behind: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
    """What is drawn before a background in [-1, 1]: the picture in [0, 1], and where the background is seen."""
    mask = torch.sigmoid(-heads.cover)
    return unit(mask * behind + (1 - mask) * heads.colour.tanh()), mask


def unit(picture: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """From [-1, 1] to [0, 1]."""
    return (picture + 1) / 2


def read_once(
    person: Float[Tensor, "#B N 3 a b"], flows: Float[Tensor, "B K H W 2"], valid: Bool[Tensor, "B K H W"]
) -> Float[Tensor, "B 3 H W"]:
    """The photos themselves, read for a view: the mean where several show the spot."""
    share = valid.to(person)
    return warped(person, flows, share).sum(1) / share.sum(1).clamp(min=1)[:, None]
