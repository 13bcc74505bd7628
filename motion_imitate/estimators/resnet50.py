"""ResNet-50 in the two layouts that Human Mesh Recovery and SPIN use, with the tensor names of their PyTorch code."""

from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

RESNET50_BLOCKS = (3, 4, 6, 3)  # bottlenecks of each stage
BOTTLENECK_EXPANSION = 4
RESNET50_FEATURES = 2048


class PreActivationBottleneck(nn.Module):
    """A bottleneck of ResNet v2: batch norm and ReLU come before each convolution."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = BOTTLENECK_EXPANSION * width
        self.stride = stride
        self.bn1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, width, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(width), nn.Conv2d(width, out, 1)
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride)) if channels != out else None

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D a b"]:
        active = F.relu(self.bn1(x))
        same = x[:, :, :: self.stride, :: self.stride] if self.shortcut is None else self.shortcut(active)
        y = F.relu(self.bn2(self.conv1(active)))
        y = F.relu(self.bn3(self.conv2(y)))
        return same + self.conv3(y)


class Bottleneck(nn.Module):
    """A bottleneck of ResNet v1.5, whose 3 x 3 convolution has the stride."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = BOTTLENECK_EXPANSION * width
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
            if stride > 1 or channels != out
            else None
        )

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D a b"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50V2(nn.Module):
    """ResNet-50 v2 in TensorFlow slim's layout: the last bottleneck of the first three stages has the stride."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3)
        channels = [width, *(BOTTLENECK_EXPANSION * width * 2**k for k in range(4))]
        for k, (before, _) in enumerate(pairwise(channels)):
            strides = [1] * (RESNET50_BLOCKS[k] - 1) + [2 if k < 3 else 1]
            inputs = [before] + [channels[k + 1]] * (len(strides) - 1)
            blocks = [PreActivationBottleneck(n, width * 2**k, s) for n, s in zip(inputs, strides, strict=True)]
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))
        self.post_bn = nn.BatchNorm2d(channels[-1])

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N"]:
        x = F.max_pool2d(self.conv1(pictures), 3, 2, ceil_mode=True)
        for k in range(4):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return F.relu(self.post_bn(x)).mean((2, 3))


class ResNet50(nn.Module):
    """ResNet-50 v1.5 as torchvision has it: the first bottleneck of the last three stages has the stride."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        channels = [width, *(BOTTLENECK_EXPANSION * width * 2**k for k in range(4))]
        for k, (before, after) in enumerate(pairwise(channels)):
            strides = [2 if k else 1] + [1] * (RESNET50_BLOCKS[k] - 1)
            inputs = [before] + [after] * (len(strides) - 1)
            blocks = [Bottleneck(n, width * 2**k, s) for n, s in zip(inputs, strides, strict=True)]
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N"]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(pictures))), 3, 2, 1)
        for k in range(4):
            x = self.get_submodule(f"layer{k + 1}")(x)
        return x.mean((2, 3))
