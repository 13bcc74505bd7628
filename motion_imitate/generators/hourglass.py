"""The encoder-decoder that all the generators' networks share: downsample, residual blocks, upsample."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from motion_imitate.generators.blocks import (
    LayerStyle,
    ResidualBlock,
    conv_norm_relu,
    plain_or_separable_conv,
    upsample_block,
)


@dataclass(frozen=True)
class HourglassConfig:
    """Layers of an `Hourglass`. Widths are multiples of `width`; each entry of `down` halves the size, each of `up`
    doubles it."""

    inputs: int = 6
    outputs: int = 4
    width: int = 64
    fold: int = 1  # pixel-unshuffle factor of the input; undone at the output
    stem: int = 1  # width at full size; 0: no stem
    down: tuple[int, ...] = (2, 4, 8)
    blocks: int = 6
    up: tuple[int, ...] = (4, 2, 1)  # empty: encoder only
    skips: bool = True  # skip connections from encoder to decoder
    norm: str = "instance affine"  # or "instance", "group", "none"
    biased: tuple[str, ...] = ()  # parts whose convolutions have a bias: stem, down, block, up, merge, head
    groups: int = 1  # of all convolutions: independent networks side by side, without skips
    separable: tuple[str, ...] = ()  # parts whose convolutions are separable: stem, down, block, merge
    stem_kernel: int = 7
    up_kernel: int = 3  # 1: bilinear upsampling
    head_kernel: int = 7
    deviation: float = 0.02  # of the initial weights; 0: Kaiming initialization
    silent: bool = False  # zero the head, so that the untrained output is 0

    @property
    def step(self) -> int:
        """Input heights and widths must be multiples of this."""
        return self.fold * 2 ** len(self.down)

    @property
    def widths(self) -> list[int]:
        """Channels of each stage that `Hourglass.read` returns."""
        down = [self.width * times for times in self.down]
        return down + down[-1:] * self.blocks

    def style(self, part: str) -> LayerStyle:
        """Normalization and convolution style of a part: stem, down, block, up, merge or head."""
        return LayerStyle(self.norm, part in self.biased, part in self.separable, groups=self.groups)


StageHook = Callable[[int, Tensor], Tensor]


def keep_stage_output(stage: int, x: Tensor) -> Tensor:
    """The stage hook that changes nothing."""
    return x


class Hourglass(nn.Module):
    """An encoder-decoder with skip connections.

    Each upsampling takes its skip from the downsampling stage of the same size; the last has none without a stem.
    """

    def __init__(self, net: HourglassConfig) -> None:
        super().__init__()
        self.net = net
        first = net.inputs * net.fold**2
        start = net.stem * net.width or first
        self.stem = conv_norm_relu(first, start, net.stem_kernel, 1, net.style("stem")) if net.stem else nn.Identity()
        down = [start, *net.widths[: len(net.down)]]
        stages: list[nn.Module] = [conv_norm_relu(a, b, 3, 2, net.style("down")) for a, b in pairwise(down)]
        stages += [ResidualBlock(down[-1], net.style("block")) for _ in range(net.blocks)]
        self.stages = nn.ModuleList(stages)
        up = [down[-1], *(net.width * times for times in net.up)]
        self.up = nn.ModuleList(upsample_block(a, b, net.up_kernel, net.style("up")) for a, b in pairwise(up))
        skips = (down if net.stem else down[1:])[-2::-1] if net.skips else []
        self.merge = nn.ModuleList(
            conv_norm_relu(skip + wide, wide, 3, 1, net.style("merge"))
            for skip, wide in zip(skips, up[1:], strict=False)
        )
        drawn = net.outputs * net.fold**2
        head = plain_or_separable_conv(up[-1], drawn, net.head_kernel, 1, net.style("head"))
        self.head = head if net.up else nn.Identity()
        init_hourglass_weights(self, net)

    def read(self, x: Float[Tensor, "B I H W"], join: StageHook = keep_stage_output) -> tuple[Tensor, list[Tensor]]:
        """Run the encoder: the stem's output, and each stage's output after `join`."""
        start = self.stem(pixel_unshuffle(x, self.net.fold) if self.net.fold > 1 else x)
        told: list[Tensor] = []
        for k, stage in enumerate(self.stages):
            told.append(join(k, stage(told[-1] if told else start)))
        return start, told

    def draw(self, start: Tensor, told: list[Tensor]) -> Float[Tensor, "B O H W"]:
        """Run the decoder on what `read` returned."""
        down = [start] * bool(self.net.stem) + told[: len(self.net.down)]
        x = told[-1]
        for k, up in enumerate(self.up):
            x = up(x)
            if k < len(self.merge):
                x = self.merge[k](torch.cat([down[-2 - k], x], 1))
        x = self.head(x)
        return pixel_shuffle(x, self.net.fold) if self.net.fold > 1 else x

    def blocks(self) -> list[ResidualBlock]:
        """The residual blocks, in order."""
        return [stage for stage in self.stages if isinstance(stage, ResidualBlock)]

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        return self.draw(*self.read(x))


def init_hourglass_weights(hourglass: Hourglass, net: HourglassConfig) -> None:
    """Initialize the weights in place, as `net` says."""
    for part in hourglass.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            if net.deviation:
                nn.init.normal_(part.weight, std=net.deviation)
            else:
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    with torch.no_grad():
        for block in () if net.deviation else hourglass.blocks():  # so that a chain of blocks keeps the variance
            for weight in block.change[3].parameters():
                weight.mul_(net.blocks**-0.5)
        if net.silent and isinstance(hourglass.head, nn.Conv2d):
            hourglass.head.weight.zero_()
