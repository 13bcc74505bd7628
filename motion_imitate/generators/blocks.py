"""Layers of the networks: convolutions, residual blocks, upsampling, and liquid warping blocks.

A liquid warping block merges features of the photos, warped to the view, into the features of the view.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import instance_norm, relu

from motion_imitate.geometry.flow import resize_flow, warp_image

NORM_LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "instance": lambda channels: nn.InstanceNorm2d(channels),
    "instance running": lambda channels: nn.InstanceNorm2d(channels, track_running_stats=True),
    "batch": lambda channels: nn.BatchNorm2d(channels),
    "instance affine": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(max(1, channels // 8), channels),
}


@dataclass(frozen=True)
class LayerStyle:
    """Normalization and convolution kind of a layer."""

    norm: str = "none"
    bias: bool = False
    separable: bool = False  # depthwise convolution, then pointwise
    padding: str = "zeros"  # or "reflect", of plain convolutions
    groups: int = 1  # of plain convolutions


def plain_or_separable_conv(inputs: int, outputs: int, kernel: int, stride: int, style: LayerStyle) -> nn.Module:
    """A same-padded convolution, split into depthwise and pointwise if the style is separable."""
    if not style.separable:
        padding: Any = style.padding
        return nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            kernel // 2,
            groups=style.groups,
            bias=style.bias,
            padding_mode=padding,
        )
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=style.bias),
    )


def conv_norm_relu(inputs: int, outputs: int, kernel: int, stride: int, style: LayerStyle) -> nn.Sequential:
    """Convolution, normalization and ReLU."""
    return nn.Sequential(
        plain_or_separable_conv(inputs, outputs, kernel, stride, style),
        NORM_LAYERS[style.norm](outputs),
        nn.ReLU(inplace=True),
    )


def upsample_block(inputs: int, outputs: int, kernel: int, style: LayerStyle) -> nn.Sequential:
    """Double the size: by a transposed convolution, or by bilinear upsampling if `kernel` is 1."""
    if kernel > 1:
        first: nn.Module = nn.ConvTranspose2d(inputs, outputs, kernel, 2, 1, kernel % 2, style.groups, style.bias)
        return nn.Sequential(first, NORM_LAYERS[style.norm](outputs), nn.ReLU(inplace=True))
    larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    first = nn.Conv2d(inputs, outputs, 1, groups=style.groups, bias=style.bias)
    return nn.Sequential(first, NORM_LAYERS[style.norm](outputs), nn.ReLU(inplace=True), larger)


def resize_block(inputs: int, outputs: int, style: LayerStyle) -> nn.Sequential:
    """Double the size by repeating pixels, then convolve: without the checkers of transposed convolutions."""
    return nn.Sequential(nn.Upsample(scale_factor=2), *conv_norm_relu(inputs, outputs, 3, 1, style))


class ResidualBlock(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, channels: int, style: LayerStyle) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *conv_norm_relu(channels, channels, 3, 1, style),
            plain_or_separable_conv(channels, channels, 3, 1, style),
            NORM_LAYERS[style.norm](channels),
        )

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + self.change(x)


def resize_flows(
    flows: Float[Tensor, "B K H W 2"], valid: Bool[Tensor, "B K H W"] | Float[Tensor, "B K H W"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B K h w 2"], Float[Tensor, "B K h w"]]:
    """Each flow at another size, and the share of valid pixels behind each value."""
    if size == flows.shape[2:4] and valid.is_floating_point():
        return flows, valid
    flow, share = resize_flow(flows.flatten(0, 1), valid.flatten(0, 1), size)
    return flow.unflatten(0, valid.shape[:2]), share.unflatten(0, valid.shape[:2])


def warp_features(
    features: Float[Tensor, "P N C a b"], flows: Float[Tensor, "B K h w 2"], share: Float[Tensor, "B K h w"]
) -> Float[Tensor, "B K C h w"]:
    """Features that each way reads, times its share; way k reads photo k % N.

    The views of P people come in order, the same number for each person.
    """
    people, photos = features.shape[:2]
    views, ways, height, width = share.shape
    # stack the ways that read one photo, to warp them in one call
    stack = flows.view(people, views // people, ways // photos, photos, height, width, 2).permute(0, 3, 1, 2, 4, 5, 6)
    read = warp_image(features.flatten(0, 1), stack.reshape(people * photos, -1, width, 2))
    read = read.view(people, photos, -1, views // people, ways // photos, height, width).permute(0, 3, 4, 1, 2, 5, 6)
    return read.reshape(views, ways, -1, height, width) * share[:, :, None]


class SumWarpingBlock(nn.Module):
    """The liquid warping block of the paper: add the warped features of all photos."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Float[Tensor, "B C h w"], read: Float[Tensor, "B K C h w"]) -> Float[Tensor, "B C h w"]:
        return x + read.sum(1)


class AttentionWarpingBlock(nn.Module):
    """The attentional block of the follow-up paper.

    Each pixel attends to the photos; the attended features scale and shift the instance-normalized features.
    """

    def __init__(self, channels: int, hidden: int = 128) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.shared = nn.Conv2d(channels, hidden, 3, padding=1)
        self.scale, self.shift = (nn.Conv2d(hidden, channels, 3, padding=1) for _ in range(2))

    def weights(self, x: Float[Tensor, "B C h w"], read: Float[Tensor, "B K C h w"]) -> Float[Tensor, "B K h w"]:
        """Attention to each way; sums to 1."""
        keys = self.key(read.flatten(0, 1)).view_as(read)
        alike = (self.query(x)[:, None] * keys).sum(2)
        return (alike / x.shape[1] ** 0.5).softmax(1)

    def forward(self, x: Float[Tensor, "B C h w"], read: Float[Tensor, "B K C h w"]) -> Float[Tensor, "B C h w"]:
        values = self.value(read.flatten(0, 1)).view_as(read)
        mixed = (self.weights(x, read)[:, :, None] * values).sum(1)
        seen = relu(self.shared(mixed))
        return torch.addcmul(self.shift(seen), instance_norm(x), 1 + self.scale(seen))


WARPING_BLOCKS: dict[str, Callable[[int], nn.Module]] = {"sum": SumWarpingBlock, "attention": AttentionWarpingBlock}
