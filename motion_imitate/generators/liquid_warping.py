"""The Liquid Warping GAN.

SID encodes the photos. TSF draws a view; at every size it reads SID's features where the photos show the same point of
the body. A third network inpaints the background.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate as resized
from torch.nn.functional import pad

from motion_imitate.generators.blocks import WARPING_BLOCKS, resize_flows, warp_features
from motion_imitate.generators.hourglass import Hourglass, HourglassConfig
from motion_imitate.types import Batched


@dataclass(frozen=True)
class LiquidWarpingConfig:
    """Layers of all networks."""

    source: HourglassConfig
    target: HourglassConfig
    background: HourglassConfig | None
    join: str = "sum"  # or "attention": how each stage merges the warped features of the photos


ATTENTION_TSF_CONFIG = HourglassConfig(  # TSF of the follow-up paper
    stem=0,
    down=(1, 2, 4),
    norm="none",
    biased=("block", "up", "merge"),
    up_kernel=4,
    head_kernel=5,
    deviation=0.0,
)
CORRECTION_TSF_CONFIG = HourglassConfig(
    inputs=10,
    outputs=4,
    width=8,
    fold=2,
    stem=2,
    down=(4, 8, 16),
    blocks=4,
    up=(8, 4, 2),
    norm="group",
    biased=("head",),
    stem_kernel=3,
    up_kernel=1,
    head_kernel=3,
    deviation=0.0,
    silent=True,
)

NETWORK_SHAPES: dict[str, LiquidWarpingConfig] = {
    "paper": LiquidWarpingConfig(
        source=HourglassConfig(), target=HourglassConfig(), background=HourglassConfig(inputs=4, outputs=3, skips=False)
    ),
    "attention": LiquidWarpingConfig(
        source=replace(ATTENTION_TSF_CONFIG, biased=("down", "block", "up"), skips=False),
        target=ATTENTION_TSF_CONFIG,
        background=HourglassConfig(
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
    "corrections": LiquidWarpingConfig(
        source=replace(CORRECTION_TSF_CONFIG, inputs=7, up=(), silent=False, biased=()),
        target=CORRECTION_TSF_CONFIG,
        background=None,
    ),
}


OUTPUT_CHANNELS = (3, 1)  # of colour and cover


class OutputHeads(NamedTuple):
    """Raw outputs of a network, before any activation."""

    colour: Float[Tensor, "B 3 H W"]
    cover: Float[Tensor, "B 1 H W"]


class SID(nn.Module):
    """Encodes photos; in training it also reconstructs them."""

    def __init__(self, shape: LiquidWarpingConfig) -> None:
        super().__init__()
        self.glass = Hourglass(shape.source)

    def features(self, picture: Float[Tensor, "*N I H W"]) -> list[Float[Tensor, "*N _ _ _"]]:
        """Features of each stage. Photos whose size is no multiple of the network's step are upscaled a little."""
        told = self.glass.read(upscale_to_multiple(picture.flatten(0, -4), self.glass.net.step))[1]
        return [x.unflatten(0, picture.shape[:-3]).contiguous() for x in told]

    def forward(self, picture: Float[Tensor, "B I H W"]) -> tuple[OutputHeads, list[Float[Tensor, "B _ _ _"]]]:
        """The reconstructed photos, and the features of each stage."""
        start, told = self.glass.read(picture)
        return OutputHeads(*self.glass.draw(start, told).split(OUTPUT_CHANNELS, 1)), told


class TSF(nn.Module):
    """Draws views from SID's features."""

    def __init__(self, shape: LiquidWarpingConfig) -> None:
        super().__init__()
        self.glass = Hourglass(shape.target)
        join = WARPING_BLOCKS[shape.join]
        self.joins = nn.ModuleList(join(width) for width in shape.target.widths)

    def forward(
        self,
        picture: Float[Tensor, "B I H W"],
        features: Sequence[Float[Tensor, "*M N _ _ _"]],
        flows: Float[Tensor, "B K H W 2"],
        valid: Bool[Tensor, "B K H W"] | Float[Tensor, "B K H W"],
    ) -> OutputHeads:
        """Way k reads photo k % N. N photos [N, ...] serve all views, or each view has its own [B, N, ...]."""
        height, width = picture.shape[2:]
        below, beside = (-size % self.glass.net.step for size in (height, width))
        if below or beside:
            picture = pad(picture, (0, beside, 0, below), mode="replicate")
            flows, valid = pad(flows, (0, 0, 0, beside, 0, below)), pad(valid, (0, beside, 0, below))
        level = flows, valid

        def join(stage: int, x: Tensor) -> Tensor:
            nonlocal level
            level = resize_flows(*level, (x.shape[2], x.shape[3]))
            found = features[stage]
            return self.joins[stage](x, warp_features(found if found.dim() == 5 else found[None], *level))

        drawn = self.glass.draw(*self.glass.read(picture, join))
        return OutputHeads(*drawn[:, :, :height, :width].split(OUTPUT_CHANNELS, 1))


def upscale_to_multiple(picture: Float[Tensor, "B I H W"], step: int) -> Float[Tensor, "B I h w"]:
    """The image, upscaled a little if its size is no multiple of `step`."""
    size = tuple(-(-side // step) * step for side in picture.shape[2:])
    return picture if size == picture.shape[2:] else resized(picture, size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class LiquidWarpingBatch(Batched):
    """A training batch: photos of people, and flows from another view into them."""

    image: Float[Tensor, "B N 3 H W"]
    person: Float[Tensor, "B N 1 H W"]  # matte; the paper's mask is 1 pixel wider all round
    surface: Float[Tensor, "B N 3 H W"]  # as of `painter.uv_surface_map`
    behind: Float[Tensor, "B 1 H W"]  # where the first photo shows the background; the paper's keeps 7 pixels away
    target: Float[Tensor, "B 3 H W"]  # surface map of the view to draw
    flow: Float[Tensor, "B K H W 2"]
    valid: Bool[Tensor, "B K H W"]


@dataclass(frozen=True)
class LiquidWarpingOutput(Batched):
    """Network outputs. Images are in [0, 1]; masks are the paper's A: 1 on the background."""

    background: Float[Tensor, "B 3 H W"]
    source: Float[Tensor, "B N 3 H W"]  # the photos, reconstructed
    source_mask: Float[Tensor, "B N 1 H W"]
    target: Float[Tensor, "B 3 H W"]
    target_mask: Float[Tensor, "B 1 H W"]


class LiquidWarpingNetworks(nn.Module):
    """All three networks, for joint training. The shape must include a background network and a reconstructing SID."""

    def __init__(self, shape: LiquidWarpingConfig) -> None:
        super().__init__()
        if shape.background is None or not shape.source.up:
            raise ValueError("this shape lacks networks; train 'paper' or 'attention', or use SID and TSF alone")
        self.background, self.source, self.target = Hourglass(shape.background), SID(shape), TSF(shape)

    def forward(self, pairs: LiquidWarpingBatch) -> LiquidWarpingOutput:
        people, photos = pairs.image.shape[:2]
        image = 2 * pairs.image - 1
        person = image * pairs.person
        behind = self.background(torch.cat([image[:, 0] * pairs.behind, pairs.behind], 1)).tanh()
        again, told = self.source(torch.cat([person, pairs.surface], 2).flatten(0, 1))
        features = [x.unflatten(0, (people, photos)) for x in told]
        view = torch.cat([warp_photos(person, pairs.flow, pairs.valid), pairs.target], 1)
        drawn = self.target(view, features, pairs.flow, pairs.valid)
        source, source_mask = composite_heads(again, behind.repeat_interleave(photos, 0))
        target, target_mask = composite_heads(drawn, behind)
        shape = (people, photos)
        return LiquidWarpingOutput(
            to_unit_range(behind), source.unflatten(0, shape), source_mask.unflatten(0, shape), target, target_mask
        )


def composite_heads(
    heads: OutputHeads, behind: Float[Tensor, "B 3 H W"]
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
    """Heads composited over a background in [-1, 1]: the image in [0, 1], and the share of background."""
    mask = torch.sigmoid(-heads.cover)
    return to_unit_range(mask * behind + (1 - mask) * heads.colour.tanh()), mask


def to_unit_range(picture: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """Map [-1, 1] to [0, 1]."""
    return (picture + 1) / 2


def warp_photos(
    person: Float[Tensor, "#B N 3 a b"], flows: Float[Tensor, "B K H W 2"], valid: Bool[Tensor, "B K H W"]
) -> Float[Tensor, "B 3 H W"]:
    """The photos warped to a view: the mean of the photos that are valid at each pixel."""
    share = valid.to(person)
    return warp_features(person, flows, share).sum(1) / share.sum(1).clamp(min=1)[:, None]
