"""The human parsing network: for each pixel of a photo, the body layer, the kind of surface and the opacity.

It takes crops of 256 x 192 pixels, the raster of the fitted bare body and, where there is one, a matte.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.bodies.parts import MIRRORED_PARTS, PART_LIMBS
from motion_imitate.estimators.lite0 import LITE0_FEATURE_STAGES, LITE0_STAGES, FoldableConvolution, InvertedBottleneck

LAYER_NAMES = ("background", "trunk", "arm_left", "arm_right", "leg_left", "leg_right", "skirt", "hair")
KIND_NAMES = ("background", "hair", "face", "skin", "upper", "lower", "one_piece", "shoes", "carried")
PARSING_SIZE = (256, 192)  # height and width of a crop
TORSO_BACK_CODE = 15  # the code of a torso seen from behind; 1 to 14 are limbs, 0 is background
BODY_CODES = 15
INPUT_CHANNELS = 3 + 1 + BODY_CODES + 2 + 2  # colour, outside, codes, depth and has_body, matte and has_matte
OUTPUT_CHANNELS = len(LAYER_NAMES) + len(KIND_NAMES) + 1
DECODER_WIDTHS = (32, 48, 72, 112, 160)  # channels of the decoder at the full size and at 1/2, 1/4, 1/8 and 1/16
DEPTH_SPAN = 0.6  # metres before and behind the body's root that a byte of depth spans
CERTAIN_LOGIT = 20.0  # given to background outside the photo
PARSING_FILE = "human_parsing.safetensors"


@dataclass(frozen=True)
class ParsingInput:
    """Crops of photos, all of one size, with what is known about the person in each."""

    colour: Float[Tensor, "B 3 H W"]
    inside: Float[Tensor, "B 1 H W"]  # 1 inside the photo
    body_code: UInt8[Tensor, "B H W"]  # of the fitted body, see `encode_body_parts`
    depth: UInt8[Tensor, "B H W"]  # 128 at the root, 0 in the background; see `encode_body_depth`
    has_body: Float[Tensor, " B"]  # 1 if there is a fitted body
    matte: Float[Tensor, "B 1 H W"]
    has_matte: Float[Tensor, " B"]  # 1 if there is a matte

    def stack_channels(self) -> Float[Tensor, "B C H W"]:
        """The network's input: all fields as channels, each roughly in [-1, 1]."""
        outside = 1 - self.inside
        colour = (self.colour * 2 - 1) * self.inside
        codes = torch.arange(1, BODY_CODES + 1, device=self.body_code.device, dtype=torch.uint8)
        one_hot = (self.body_code[:, None] == codes[:, None, None]).to(colour)
        body, matted = self.has_body[:, None, None, None], self.has_matte[:, None, None, None]
        depth = torch.where(self.body_code > 0, self.depth.to(colour) / 64 - 2, 0)[:, None]
        ones = torch.ones_like(self.inside)
        rest = (one_hot * body, depth * body, body * ones, (self.matte * 2 - 1) * matted, matted * ones)
        return torch.cat([colour, outside, *rest], 1)


@dataclass(frozen=True)
class ParsingLogits:
    """The network's output, before softmax and sigmoid."""

    layer: Float[Tensor, "B 8 H W"]
    kind: Float[Tensor, "B 9 H W"]
    alpha: Float[Tensor, "B 1 H W"]


def encode_body_parts(parts: Tensor) -> UInt8[Tensor, "*n"]:
    """The network's body codes of DensePose parts: the limb, and 15 for the torso's back."""
    table = torch.tensor(PART_LIMBS, dtype=torch.uint8)
    table[1] = TORSO_BACK_CODE
    return table.to(parts.device)[parts.long()]


def encode_body_depth(depth: Tensor, root: Tensor | float) -> UInt8[Tensor, "*n"]:
    """The network's bytes of depths in metres, given that of the body's root: 128 at the root, never 0."""
    away = (depth - root) / DEPTH_SPAN
    return (128 + 127 * away.clamp(-1, 1)).round().clamp(1, 255).to(torch.uint8)


def mirrored_body_codes() -> UInt8[Tensor, " 16"]:
    """The body code that each code becomes when the image is mirrored."""
    codes = encode_body_parts(torch.arange(25))
    table = torch.zeros(BODY_CODES + 1, dtype=torch.uint8)
    table[codes.long()] = codes[torch.tensor(MIRRORED_PARTS)]
    return table


class ParsingNet(nn.Module):
    """EfficientNet-lite0 with more input channels, and a light decoder to the full resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = FoldableConvolution(INPUT_CHANNELS, 32, 3, 2)
        blocks, self.ends, channels = [], [], 32
        for number, (expansion, count, out, side, first) in enumerate(LITE0_STAGES):
            for again in range(count):
                blocks.append(InvertedBottleneck(channels, out, expansion, side, 1 if again else first))
                channels = out
            if number in LITE0_FEATURE_STAGES:
                self.ends.append((len(blocks) - 1, out))
        self.blocks = nn.ModuleList(blocks)
        full, half, quarter, eighth, sixteenth = DECODER_WIDTHS
        self.deep = FoldableConvolution(self.ends[4][1], sixteenth, 1)
        self.context = nn.Conv2d(sixteenth, sixteenth, 1)
        inner = ((sixteenth, sixteenth), (sixteenth, eighth), (eighth, quarter), (quarter, half))
        self.lateral = nn.ModuleList(
            FoldableConvolution(self.ends[3 - k][1], before, 1, relu=False) for k, (before, _) in enumerate(inner)
        )
        self.mix = nn.ModuleList(
            nn.Sequential(FoldableConvolution(before, after, 3), FoldableConvolution(after, after, 3))
            for before, after in inner
        )
        self.fine = FoldableConvolution(INPUT_CHANNELS, full, 3)
        self.coarse = FoldableConvolution(half, full, 1, relu=False)
        self.last = nn.Sequential(FoldableConvolution(full, full, 3), FoldableConvolution(full, full, 3))
        self.head = nn.Conv2d(full, OUTPUT_CHANNELS, 1)

    def forward(self, channels: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        x, features = self.stem(channels), []
        ends = [end for end, _ in self.ends]
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in ends:
                features.append(x)
        x = self.deep(features[4])
        x = x + self.context(x.mean((2, 3), keepdim=True))
        for k, (lateral, mix) in enumerate(zip(self.lateral, self.mix, strict=True)):
            skip = features[3 - k]
            up = x if skip.shape[2:] == x.shape[2:] else resize_like(x, skip)
            x = mix(F.relu6(up + lateral(skip)))
        x = F.relu6(resize_like(self.coarse(x), channels) + self.fine(channels))
        return self.head(self.last(x))

    def parse(self, inputs: ParsingInput) -> ParsingLogits:
        """Logits of crops; what lies outside the photo is background."""
        return mask_outside_photo(split_parsing_outputs(self(inputs.stack_channels())), inputs.inside)


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear resize of images to the height and width of others."""
    if x.requires_grad and like.shape[2] == 2 * x.shape[2] and like.shape[3] == 2 * x.shape[3]:
        return double_image_size(x)
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def double_image_size(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Bilinear resize to twice the size; the same as `F.interpolate`, whose backward pass is slow on GPUs."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    values = x.permute(0, 2, 3, 1) if last else x
    for axis in (1, 2) if last else (2, 3):
        count = values.shape[axis]
        before = torch.cat([values.narrow(axis, 0, 1), values.narrow(axis, 0, count - 1)], axis)
        after = torch.cat([values.narrow(axis, 1, count - 1), values.narrow(axis, count - 1, 1)], axis)
        both = torch.stack([values.lerp(before, 0.25), values.lerp(after, 0.25)], axis + 1)
        values = both.flatten(axis, axis + 1)
    return values.permute(0, 3, 1, 2) if last else values


def split_parsing_outputs(out: Float[Tensor, "B K H W"]) -> ParsingLogits:
    """The network's output channels, named."""
    return ParsingLogits(*out.split([len(LAYER_NAMES), len(KIND_NAMES), 1], 1))


def mask_outside_photo(logits: ParsingLogits, inside: Float[Tensor, "B 1 H W"]) -> ParsingLogits:
    """The same logits, with certain, transparent background outside the photo."""

    def background(values: Tensor) -> Tensor:
        certain = torch.full_like(values, -CERTAIN_LOGIT)
        certain[:, 0] = CERTAIN_LOGIT
        return torch.where(inside > 0, values, certain)

    alpha = torch.where(inside > 0, logits.alpha, -CERTAIN_LOGIT)
    return ParsingLogits(background(logits.layer), background(logits.kind), alpha)


def fold_batch_norms(net: ParsingNet) -> ParsingNet:
    """The same network, in place, without batch norms."""
    for one in net.modules():
        if isinstance(one, FoldableConvolution):
            one.fold_norm()
    return net


def write_parsing_net(path: Path, net: ParsingNet, about: dict[str, Any]) -> None:
    """Write the network in half precision, batch norms folded. `net` itself is folded in place."""
    folded = fold_batch_norms(net)
    weights.write_weights(path, about, {k: v.detach().half().cpu() for k, v in folded.state_dict().items()})


@lru_cache(maxsize=1)
def load_parsing_net(path: Path | None = None) -> ParsingNet:
    """The shipped network, or that of a file written by `write_parsing_net`, for inference; cached."""
    path = path or weights.find_asset(PARSING_FILE)
    _, tensors = weights.read_weights(path)
    net = fold_batch_norms(ParsingNet())
    own = net.state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in tensors.items()}:
        raise ValueError(
            f"{path} is not a parsing network of this version; give a weights.safetensors written by "
            "`python -m pipelines.train.parsing.gpu_run`"
        )
    net.load_state_dict({k: v.float() for k, v in tensors.items()})
    return net.eval().requires_grad_(False)


def parsing_net_parameters(net: nn.Module) -> int:
    """The number of trained values of a network."""
    return sum(p.numel() for p in net.parameters())
