"""PATN, the pose-attentional transfer network: the pose decides, block by block, where the picture changes.

Pictures are in [-1, 1]. Besides the published three channels, the network may return a fourth: the logit of the
person's alpha.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from motion_imitate.generators.blocks import (
    NORM_LAYERS,
    LayerStyle,
    conv_norm_relu,
    plain_or_separable_conv,
    resize_block,
    upsample_block,
)


@dataclass(frozen=True)
class PoseAttentionConfig:
    """Layers of the network; by default as published for DeepFashion."""

    outputs: int = 3  # 4: with alpha
    poses: int = 36  # heat maps: of the source, then of the target
    width: int = 64
    halvings: int = 2
    blocks: int = 9
    norm: str = "instance running"  # "batch" for Market-1501
    dropout: float = 0.5
    padding: str = "reflect"
    edge_kernel: int = 7  # of the first and the last convolution
    resize: bool = False  # upsample by `resize_block` instead of transposed convolutions
    fold: int = 1  # pixel-unshuffle factor of the inputs; undone at the output

    @property
    def channels(self) -> int:
        """Channels of the smallest map."""
        return self.width * 2**self.halvings

    @property
    def biased(self) -> bool:
        """Whether convolutions have a bias, which a batch norm makes useless."""
        return self.norm != "batch"

    def style(self, padding: str = "zeros") -> LayerStyle:
        """Normalization, bias and padding of a layer."""
        return LayerStyle(self.norm, self.biased, padding=padding)


def build_stream_encoder(inputs: int, how: PoseAttentionConfig) -> nn.Sequential:
    """Convolutions down to the smallest map, of folded inputs."""
    edge = how.style(how.padding)
    layers = [conv_norm_relu(inputs * how.fold**2, how.width, how.edge_kernel, 1, edge)]
    for k in range(how.halvings):
        layers.append(conv_norm_relu(how.width * 2**k, how.width * 2 ** (k + 1), 3, 2, how.style()))
    return nn.Sequential(*layers)


class PictureDecoder(nn.Module):
    """Upsampling from the smallest map to a picture, whose colours are squashed to [-1, 1]."""

    def __init__(self, outputs: int, how: PoseAttentionConfig) -> None:
        super().__init__()
        self.fold = how.fold
        widths = [how.width * 2**k for k in range(how.halvings, -1, -1)]
        self.up = nn.Sequential(
            *(
                resize_block(a, b, how.style()) if how.resize else upsample_block(a, b, 3, how.style())
                for a, b in pairwise(widths)
            )
        )
        head = LayerStyle(bias=True, padding=how.padding)
        self.head = plain_or_separable_conv(how.width, outputs * how.fold**2, how.edge_kernel, 1, head)

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B O H W"]:
        drawn = pixel_shuffle(self.head(self.up(features)), self.fold)
        return torch.cat([drawn[:, :3].tanh(), drawn[:, 3:]], 1)


def build_attention_path(inputs: int, channels: int, how: PoseAttentionConfig) -> nn.Sequential:
    """Two convolutions of a block, the second without normalization."""
    style = how.style(how.padding)
    return nn.Sequential(
        *conv_norm_relu(inputs, inputs, 3, 1, style),
        nn.Dropout(how.dropout) if how.dropout else nn.Identity(),
        plain_or_separable_conv(inputs, channels, 3, 1, style),
    )


class PoseAttentionBlock(nn.Module):
    """Change the picture's features where the pose's features say so."""

    def __init__(self, pose_inputs: int, how: PoseAttentionConfig) -> None:
        super().__init__()
        self.picture = build_attention_path(how.channels, how.channels, how)
        self.picture_norm = NORM_LAYERS[how.norm](how.channels)
        self.pose = build_attention_path(pose_inputs, how.channels, how)

    def forward(
        self, picture: Float[Tensor, "B C h w"], pose: Float[Tensor, "B _ h w"]
    ) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B _ h w"]]:
        """The picture's features, and the pose's with them."""
        attention = self.pose(pose)
        picture = picture + attention.sigmoid() * self.picture_norm(self.picture(picture))
        return picture, torch.cat([attention, picture], 1)


class PoseAttentionNet(nn.Module):
    """The whole network: two encoders, attentional blocks, one decoder."""

    def __init__(self, how: PoseAttentionConfig = PoseAttentionConfig()) -> None:
        super().__init__()
        self.how = how
        self.picture, self.pose = build_stream_encoder(3, how), build_stream_encoder(how.poses, how)
        widths = [how.channels] + [2 * how.channels] * (how.blocks - 1)
        self.blocks = nn.ModuleList(PoseAttentionBlock(width, how) for width in widths)
        self.decoder = PictureDecoder(how.outputs, how)
        init_attention_weights(self, how)

    def forward(
        self, photo: Float[Tensor, "B 3 H W"], poses: Float[Tensor, "B P H W"]
    ) -> tuple[Float[Tensor, "B O H W"], Float[Tensor, "B C h w"]]:
        """The person in the target pose, and the features that it was drawn from."""
        fold = self.how.fold
        picture, pose = self.picture(pixel_unshuffle(photo, fold)), self.pose(pixel_unshuffle(poses, fold))
        for block in self.blocks:
            picture, pose = block(picture, pose)
        return self.decoder(picture), picture


def init_attention_weights(net: nn.Module, how: PoseAttentionConfig) -> None:
    """Initialize in place: weights normal with deviation 0.02 and no biases, as published.

    Without normalization: by fan-in, with last layers close to 0; and with biases, as grey would pass as nothing.
    """
    plain = how.norm == "none"
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if plain:
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            else:
                nn.init.normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.2 if plain else 0.0)
    for part in net.modules():
        if isinstance(part, PictureDecoder) and plain:
            nn.init.normal_(part.head.get_parameter("weight"), std=0.02)
            nn.init.zeros_(part.head.get_parameter("bias"))
