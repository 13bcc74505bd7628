"""The layout and building blocks of EfficientNet-lite0."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LITE0_STAGES = (  # of EfficientNet-lite0: expansion, blocks, channels, kernel, first stride
    (1, 1, 16, 3, 1),
    (6, 2, 24, 3, 2),
    (6, 2, 40, 5, 2),
    (6, 3, 80, 3, 2),
    (6, 3, 112, 5, 1),
    (6, 4, 192, 5, 2),
    (6, 1, 320, 3, 1),
)
LITE0_STEM_CHANNELS = 32
LITE0_FEATURES = LITE0_STAGES[-1][2]  # channels of the last stage
LITE0_FEATURE_STAGES = (0, 1, 2, 4, 6)  # the last stages at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size
BATCH_NORM_EPSILON = 1e-3  # of its batch norms


class FoldableConvolution(nn.Module):
    """A convolution with batch norm and ReLU6, padded as in TensorFlow: the odd pixel goes right and below."""

    def __init__(self, channels: int, out: int, side: int, stride: int = 1, groups: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, side, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, BATCH_NORM_EPSILON, 0.03)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        side, stride = self.conv.kernel_size[0], self.conv.stride[0]
        lacking = [max((-(-n // stride) - 1) * stride + side - n, 0) for n in (x.shape[3], x.shape[2])]
        if any(n % 2 for n in lacking):
            x = F.pad(x, [end for n in lacking for end in (n // 2, n - n // 2)])
            x = self.conv(x)
        else:
            x = F.conv2d(
                x, self.conv.weight, self.conv.bias, stride, (lacking[1] // 2, lacking[0] // 2), 1, self.conv.groups
            )
        x = self.norm(x)
        return F.relu6(x) if self.relu else x

    def fold_norm(self) -> None:
        """Fold the batch norm, in evaluation mode, into the convolution, in place."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
            return
        by = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.conv.weight = nn.Parameter((self.conv.weight * by[:, None, None, None]).detach())
        self.conv.bias = nn.Parameter((norm.bias - norm.running_mean * by).detach())
        self.norm = nn.Identity()


class InvertedBottleneck(nn.Module):
    """An inverted residual block: expand, depthwise, project; with a skip connection where shapes agree."""

    def __init__(self, channels: int, out: int, expansion: int, side: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expand: nn.Module = FoldableConvolution(channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = FoldableConvolution(wide, wide, side, stride, wide)
        self.project = FoldableConvolution(wide, out, 1, relu=False)
        self.has_skip = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.has_skip else y


class Lite0Encoder(nn.Module):
    """EfficientNet-lite0 up to its mean features, for colour images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = FoldableConvolution(3, LITE0_STEM_CHANNELS, 3, 2)
        blocks, channels = list[nn.Module](), LITE0_STEM_CHANNELS
        for expansion, count, out, side, first in LITE0_STAGES:
            for again in range(count):
                blocks.append(InvertedBottleneck(channels, out, expansion, side, 1 if again else first))
                channels = out
        self.blocks = nn.ModuleList(blocks)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 320"]:
        x = self.stem(pictures)
        for block in self.blocks:
            x = block(x)
        return x.mean((2, 3))
