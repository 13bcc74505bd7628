"""Smaller and smaller, a while at the smallest size, and back: the form of all the networks here."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from motion_imitate.generators.blocks import Residual, Style, doubling, layer


@dataclass(frozen=True)
class Net:
    """Widths are counted in `width`; each of `down` halves the size, each of `up` doubles it."""

    inputs: int = 6
    outputs: int = 4
    width: int = 64
    fold: int = 1  # squares of so many pixels become one, with as many times the channels; undone at the end
    stem: int = 1  # width before the size is halved; 0: there is no such layer
    down: tuple[int, ...] = (2, 4, 8)
    blocks: int = 6
    up: tuple[int, ...] = (4, 2, 1)  # empty: nothing is drawn
    skips: bool = True  # whether what is drawn sees what was there on the way down
    norm: str = "instance affine"  # or "instance", "group", "none"
    biased: tuple[str, ...] = ()  # parts whose convolutions have a bias: stem, down, block, up, merge, head
    separable: tuple[str, ...] = ()  # parts whose convolutions are separable: stem, down, block, merge
    stem_kernel: int = 7
    up_kernel: int = 3  # 1: drawn larger smoothly
    head_kernel: int = 7
    deviation: float = 0.02  # of the first weights; 0: each layer's such that it keeps the size of what it is given
    silent: bool = False  # whether nothing is drawn before anything is learnt

    @property
    def step(self) -> int:
        """What heights and widths of pictures must be multiples of."""
        return self.fold * 2 ** len(self.down)

    @property
    def widths(self) -> list[int]:
        """Of what `Hourglass.read` tells."""
        down = [self.width * times for times in self.down]
        return down + down[-1:] * self.blocks

    def style(self, part: str) -> Style:
        return Style(self.norm, part in self.biased, part in self.separable)


Join = Callable[[int, Tensor], Tensor]


def alone(stage: int, x: Tensor) -> Tensor:
    return x


class Hourglass(nn.Module):
    """Skips are read from the way down, the nearest in size; the last doubling has none if there is no stem."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        first = net.inputs * net.fold**2
        start = net.stem * net.width or first
        self.stem = layer(first, start, net.stem_kernel, 1, net.style("stem")) if net.stem else nn.Identity()
        down = [start, *net.widths[: len(net.down)]]
        stages: list[nn.Module] = [layer(a, b, 3, 2, net.style("down")) for a, b in pairwise(down)]
        stages += [Residual(down[-1], net.style("block")) for _ in range(net.blocks)]
        self.stages = nn.ModuleList(stages)
        up = [down[-1], *(net.width * times for times in net.up)]
        self.up = nn.ModuleList(doubling(a, b, net.up_kernel, net.style("up")) for a, b in pairwise(up))
        skips = (down if net.stem else down[1:])[-2::-1] if net.skips else []
        self.merge = nn.ModuleList(
            layer(skip + wide, wide, 3, 1, net.style("merge")) for skip, wide in zip(skips, up[1:], strict=False)
        )
        bias, around = "head" in net.biased, net.head_kernel // 2
        drawn = net.outputs * net.fold**2
        self.head = nn.Conv2d(up[-1], drawn, net.head_kernel, padding=around, bias=bias) if net.up else nn.Identity()
        begin(self, net)

    def read(self, x: Float[Tensor, "B I H W"], join: Join = alone) -> tuple[Tensor, list[Tensor]]:
        """What the stem makes of a picture, and what each stage makes of it, after `join`."""
        start = self.stem(pixel_unshuffle(x, self.net.fold) if self.net.fold > 1 else x)
        told: list[Tensor] = []
        for k, stage in enumerate(self.stages):
            told.append(join(k, stage(told[-1] if told else start)))
        return start, told

    def draw(self, start: Tensor, told: list[Tensor]) -> Float[Tensor, "B O H W"]:
        down = [start] * bool(self.net.stem) + told[: len(self.net.down)]
        x = told[-1]
        for k, up in enumerate(self.up):
            x = up(x)
            if k < len(self.merge):
                x = self.merge[k](torch.cat([down[-2 - k], x], 1))
        x = self.head(x)
        return pixel_shuffle(x, self.net.fold) if self.net.fold > 1 else x

    def blocks(self) -> list[Residual]:
        return [stage for stage in self.stages if isinstance(stage, Residual)]

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        return self.draw(*self.read(x))


def begin(hourglass: Hourglass, net: Net) -> None:
    """The weights that learning starts from."""
    for part in hourglass.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            if net.deviation:
                nn.init.normal_(part.weight, std=net.deviation)
            else:
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    with torch.no_grad():
        for block in () if net.deviation else hourglass.blocks():  # a row of them makes nothing much larger
            for weight in block.change[3].parameters():
                weight.mul_(net.blocks**-0.5)
        if net.silent and isinstance(hourglass.head, nn.Conv2d):
            hourglass.head.weight.zero_()
