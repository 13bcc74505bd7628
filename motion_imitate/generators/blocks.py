"""What the networks are built of: layers, residual blocks, up-sampling, and liquid warping blocks, which bring in what
the photos show."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import instance_norm, relu

from motion_imitate.geometry.flow import resize, warp

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "instance": lambda channels: nn.InstanceNorm2d(channels),
    "instance affine": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(max(1, channels // 8), channels),
}


@dataclass(frozen=True)
class Style:
    norm: str = "none"
    bias: bool = False
    separable: bool = False  # a convolution is one of each channel by itself, then one of each pixel by itself


def convolution(inputs: int, outputs: int, kernel: int, stride: int, style: Style) -> nn.Module:
    if not style.separable:
        return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=style.bias)
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=style.bias),
    )


def layer(inputs: int, outputs: int, kernel: int, stride: int, style: Style) -> nn.Sequential:
    return nn.Sequential(
        convolution(inputs, outputs, kernel, stride, style), NORMS[style.norm](outputs), nn.ReLU(inplace=True)
    )


def doubling(inputs: int, outputs: int, kernel: int, style: Style) -> nn.Sequential:
    """To twice the size: by a transposed convolution, or if its kernel is 1 by drawing it larger smoothly."""
    if kernel > 1:
        first: nn.Module = nn.ConvTranspose2d(inputs, outputs, kernel, 2, 1, kernel % 2, bias=style.bias)
        return nn.Sequential(first, NORMS[style.norm](outputs), nn.ReLU(inplace=True))
    larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    first = nn.Conv2d(inputs, outputs, 1, bias=style.bias)
    return nn.Sequential(first, NORMS[style.norm](outputs), nn.ReLU(inplace=True), larger)


class Residual(nn.Module):
    """What goes in, and what two convolutions make of it."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *layer(channels, channels, 3, 1, style),
            convolution(channels, channels, 3, 1, style),
            NORMS[style.norm](channels),
        )

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + self.change(x)


def at_size(
    flows: Float[Tensor, "B K H W 2"], valid: Bool[Tensor, "B K H W"] | Float[Tensor, "B K H W"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B K h w 2"], Float[Tensor, "B K h w"]]:
    """Each flow at another size, and how much of it is valid there."""
    if size == flows.shape[2:4] and valid.is_floating_point():
        return flows, valid
    flow, share = resize(flows.flatten(0, 1), valid.flatten(0, 1), size)
    return flow.unflatten(0, valid.shape[:2]), share.unflatten(0, valid.shape[:2])


def warped(
    features: Float[Tensor, "P N C a b"], flows: Float[Tensor, "B K h w 2"], share: Float[Tensor, "B K h w"]
) -> Float[Tensor, "B K C h w"]:
    """What each way reads, by its share: way k reads photo k % N. P people have as many views each, in turn."""
    people, photos = features.shape[:2]
    views, ways, height, width = share.shape
    # the ways that read one photo are read at once, one below the other
    stack = flows.view(people, views // people, ways // photos, photos, height, width, 2).permute(0, 3, 1, 2, 4, 5, 6)
    read = warp(features.flatten(0, 1), stack.reshape(people * photos, -1, width, 2))
    read = read.view(people, photos, -1, views // people, ways // photos, height, width).permute(0, 3, 4, 1, 2, 5, 6)
    return read.reshape(views, ways, -1, height, width) * share[:, :, None]


class Sum(nn.Module):
    """The liquid warping block of the paper: what the photos show is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Float[Tensor, "B C h w"], read: Float[Tensor, "B K C h w"]) -> Float[Tensor, "B C h w"]:
        return x + read.sum(1)


class Attention(nn.Module):
    """The attentional block of the follow-up: each pixel asks which photo to believe, and what they show says how to
    scale and shift what is there, over its mean and deviation."""

    def __init__(self, channels: int, hidden: int = 128) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.shared = nn.Conv2d(channels, hidden, 3, padding=1)
        self.scale, self.shift = (nn.Conv2d(hidden, channels, 3, padding=1) for _ in range(2))

    def weights(self, x: Float[Tensor, "B C h w"], read: Float[Tensor, "B K C h w"]) -> Float[Tensor, "B K h w"]:
        """How far each way is believed; together 1."""
        keys = self.key(read.flatten(0, 1)).view_as(read)
        alike = (self.query(x)[:, None] * keys).sum(2)
        return (alike / x.shape[1] ** 0.5).softmax(1)

    def forward(self, x: Float[Tensor, "B C h w"], read: Float[Tensor, "B K C h w"]) -> Float[Tensor, "B C h w"]:
        values = self.value(read.flatten(0, 1)).view_as(read)
        mixed = (self.weights(x, read)[:, :, None] * values).sum(1)
        seen = relu(self.shared(mixed))
        return torch.addcmul(self.shift(seen), instance_norm(x), 1 + self.scale(seen))


JOINS: dict[str, Callable[[int], nn.Module]] = {"sum": Sum, "attention": Attention}
