"""PG2, pose-guided person generation in two stages: one network draws the person in the target pose, a second adds
what is missing in detail.

Pictures are in [-1, 1], the person over grey (0). Besides the published three channels, the networks may return a
fourth: the logit of the person's alpha.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from motion_imitate.types import Batched

POSE_CHANNELS = 18
REFINEMENT_LEVELS_LESS = 2  # levels that the second network has less than the first


@dataclass(frozen=True)
class PoseGuidedConfig:
    """Layers of both networks and of the discriminator; by default as published for 256 x 256 pixels."""

    size: tuple[int, int] = (256, 256)
    outputs: int = 3  # 4: with alpha
    width: int = 128
    bottleneck: int = 64
    fold: int = 1  # pixel-unshuffle factor of the inputs; undone at the output
    critic_width: int = 64

    @property
    def levels(self) -> int:
        """Sizes at which the first network works; the smallest map is 8 to 15 pixels high."""
        return (self.size[0] // self.fold).bit_length() - 3

    @property
    def coarsest(self) -> tuple[int, int]:
        """Height and width of the smallest map; raises ValueError if the size cannot be halved as often as needed."""
        step = self.fold * 2 ** (self.levels - 1)
        if self.levels <= REFINEMENT_LEVELS_LESS or any(side % step for side in self.size):
            raise ValueError(
                f"pictures of {self.size[0]}x{self.size[1]} cannot be halved down to about 8 rows; "
                "give a size such as 128x64, 128x96 or 256x256"
            )
        return self.size[0] // step, self.size[1] // step


PUBLISHED_POSE_GUIDED = PoseGuidedConfig()
SMALL_POSE_GUIDED = PoseGuidedConfig((128, 96), outputs=4, width=32, fold=2, critic_width=16)
SMALL_ROWS = 64  # height at which the small networks begin


def pose_guided_form(form: str, size: tuple[int, int]) -> PoseGuidedConfig:
    """The form "published" or "small" of the networks, for pictures of this size."""
    if form == "published":
        return replace(PUBLISHED_POSE_GUIDED, size=size)
    return replace(SMALL_POSE_GUIDED, size=size, fold=max(1, size[0] // SMALL_ROWS))


@dataclass(frozen=True)
class PoseGuidedOutput(Batched):
    """What each stage draws."""

    coarse: Float[Tensor, "B O H W"]
    fine: Float[Tensor, "B O H W"]


def conv_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution with bias, and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.ReLU(inplace=True))


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each with ReLU."""
    return nn.Sequential(*conv_relu(inputs, outputs), *conv_relu(outputs, outputs))


def init_layers(net: nn.Module, init_weight: Callable[[Tensor], object]) -> None:
    """Initialize convolutions and linear layers in place; biases are 0."""
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            init_weight(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def upsample_nearest(x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    """Twice the size."""
    return interpolate(x, scale_factor=2.0, mode="nearest")


class PoseIntegrationNet(nn.Module):
    """G1: an encoder-decoder with residual blocks, skips and a fully connected bottleneck, which draws the person."""

    def __init__(self, how: PoseGuidedConfig) -> None:
        super().__init__()
        self.how = how
        width, levels, (height, across) = how.width, how.levels, how.coarsest
        self.stem = conv_relu((3 + POSE_CHANNELS) * how.fold**2, width)
        wide = [width * (k + 1) for k in range(levels)]
        self.encoder = nn.ModuleList(double_conv(channels, channels) for channels in wide)
        self.down = nn.ModuleList(conv_relu(a, b, stride=2) for a, b in pairwise(wide))
        self.squeeze = nn.Linear(wide[-1] * height * across, how.bottleneck)
        self.expand = nn.Linear(how.bottleneck, width * height * across)
        inputs = [width, *wide[-2::-1]]  # of each level of the decoder, before the skip is joined
        joined = [a + b for a, b in zip(inputs, wide[::-1], strict=True)]
        self.decoder = nn.ModuleList(double_conv(channels, channels) for channels in joined)
        self.up = nn.ModuleList(conv_relu(a, b, 1) for a, b in zip(joined, inputs[1:], strict=False))
        self.head = nn.Conv2d(joined[-1], how.outputs * how.fold**2, 3, padding=1)

    def forward(self, photo: Float[Tensor, "B 3 H W"], pose: Float[Tensor, "B 18 H W"]) -> Float[Tensor, "B O H W"]:
        x = self.stem(pixel_unshuffle(torch.cat([photo, pose], 1), self.how.fold))
        skips = []
        for level, block in enumerate(self.encoder):
            x = x + block(x)
            skips.append(x)
            x = self.down[level](x) if level < len(self.down) else x
        x = self.expand(self.squeeze(x.flatten(1))).unflatten(1, (self.how.width, *self.how.coarsest))
        for level, block in enumerate(self.decoder):
            x = torch.cat([x, skips.pop()], 1)
            x = x + block(x)
            x = self.up[level](upsample_nearest(x)) if level < len(self.up) else x
        return pixel_shuffle(self.head(x), self.how.fold)


class DifferenceMapNet(nn.Module):
    """G2: a fully convolutional encoder-decoder with skips; its output is added to what G1 drew."""

    def __init__(self, how: PoseGuidedConfig) -> None:
        super().__init__()
        self.how = how
        width, levels = how.width, how.levels - REFINEMENT_LEVELS_LESS
        wide = [width * (k + 1) for k in range(levels)]
        inputs = [width, *wide[:-1]]
        self.stem = conv_relu((how.outputs + 3) * how.fold**2, width)
        self.encoder = nn.ModuleList(double_conv(a, b) for a, b in zip(inputs, wide, strict=True))
        self.down = nn.ModuleList(conv_relu(channels, channels, stride=2) for channels in wide[:-1])
        below = [wide[-1], *[width] * (levels - 1)]
        self.decoder = nn.ModuleList(double_conv(a + b, width) for a, b in zip(below, wide[::-1], strict=True))
        self.head = nn.Conv2d(width, how.outputs * how.fold**2, 3, padding=1)

    def forward(self, coarse: Float[Tensor, "B O H W"], photo: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B O H W"]:
        x = self.stem(pixel_unshuffle(torch.cat([coarse, photo], 1), self.how.fold))
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x)
            skips.append(x)
            x = self.down[level](x) if level < len(self.down) else x
        for level, block in enumerate(self.decoder):
            x = block(torch.cat([upsample_nearest(x) if level else x, skips.pop()], 1))
        return pixel_shuffle(self.head(x), self.how.fold)


class PoseGuidedNetworks(nn.Module):
    """Both stages. No gradient flows from the second into the first."""

    def __init__(self, how: PoseGuidedConfig = PUBLISHED_POSE_GUIDED) -> None:
        super().__init__()
        self.how, self.integration, self.refinement = how, PoseIntegrationNet(how), DifferenceMapNet(how)
        init_layers(self, nn.init.xavier_uniform_)

    def forward(self, photo: Float[Tensor, "B 3 H W"], pose: Float[Tensor, "B 18 H W"]) -> PoseGuidedOutput:
        coarse = self.integration(photo, pose)
        seen = coarse.detach()
        return PoseGuidedOutput(coarse, seen + self.refinement(seen, photo))


class PictureDiscriminator(nn.Module):
    """The discriminator of DCGAN, which scores a picture alone: the logit of its being a photo."""

    def __init__(self, how: PoseGuidedConfig = PUBLISHED_POSE_GUIDED) -> None:
        super().__init__()
        halvings = how.size[0].bit_length() - 4
        widths = [3, *(how.critic_width * min(2**k, 8) for k in range(halvings))]
        layers: list[nn.Module] = []
        for k, (a, b) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(a, b, 5, 2, 2), nn.BatchNorm2d(b) if k else nn.Identity(), nn.LeakyReLU(0.2)]
        rest = [-(-side // 2**halvings) for side in how.size]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * rest[0] * rest[1], 1))
        init_layers(self, partial(nn.init.normal_, std=0.02))

    def forward(self, picture: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1"]:
        return self.layers(picture)
