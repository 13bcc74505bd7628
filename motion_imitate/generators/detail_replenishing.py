"""DRN, the detail-replenishing network: PATN draws a coarse picture; what was lost on the way, in the whole picture
and in the face, is added from style codes of the photo.

Pictures are in [-1, 1]. Besides the published three channels, the networks may return a fourth: the logit of the
person's alpha.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, instance_norm, pixel_unshuffle, relu

from motion_imitate.generators.blocks import ResidualBlock, conv_norm_relu, plain_or_separable_conv
from motion_imitate.generators.pose_attention import (
    PictureDecoder,
    PoseAttentionConfig,
    PoseAttentionNet,
    build_stream_encoder,
    init_attention_weights,
)
from motion_imitate.generators.pose_maps import FACE_LANDMARKS
from motion_imitate.types import Batched

FACING = 0.2  # how directly a face must look into the camera: cosine of the angle
BLEND_SOFTNESS = 1 / 8  # deviation of the face mask's edge, as a fraction of the face box


@dataclass(frozen=True)
class DetailConfig:
    """Layers of all networks; the paper gives no numbers, so by default they are PATN's where it has any."""

    pose: PoseAttentionConfig = field(default_factory=PoseAttentionConfig)
    style_halvings: int = 3
    blocks: int = 3  # residual blocks with adaptive instance normalization
    face_side: int = 64  # of face crops, in pixels
    critic_width: int = 64
    critic_blocks: int = 3


PUBLISHED_DETAIL = DetailConfig()
SMALL_POSE_BRANCH = PoseAttentionConfig(
    outputs=4,
    width=24,
    halvings=1,
    blocks=6,
    norm="none",
    dropout=0.0,
    padding="zeros",
    edge_kernel=3,
    resize=True,
    fold=2,
)
SMALL_DETAIL = DetailConfig(SMALL_POSE_BRANCH, blocks=2, face_side=32, critic_width=16)
DETAIL_FORMS = {"published": PUBLISHED_DETAIL, "small": SMALL_DETAIL}


@dataclass(frozen=True)
class DetailInput(Batched):
    """What the networks see of a pair; face boxes are left, top, right and bottom in image points."""

    photo: Float[Tensor, "B 3 H W"]
    poses: Float[Tensor, "B P H W"]  # heat maps of the source, then of the target
    face: Float[Tensor, "B 3 s s"]  # the photo's face
    landmarks: Float[Tensor, "B 11 s s"]  # of the target's face
    box: Float[Tensor, "B 4"]  # the target's face
    shown: Float[Tensor, " B"]  # 1 where the target shows the face


@dataclass(frozen=True)
class DetailOutput(Batched):
    """The coarse picture, and the picture with details."""

    coarse: Float[Tensor, "B O H W"]
    fine: Float[Tensor, "B O H W"]


class ResidualDownBlock(nn.Module):
    """Two convolutions beside a skip, at half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D a b"]:
        return relu(avg_pool2d(self.change(x) + self.skip(x), 2))


class StyleEncoder(nn.Module):
    """The style code of a picture, and from it scale and shift of every adaptive normalization."""

    def __init__(self, numbers: int, how: DetailConfig) -> None:
        super().__init__()
        net = how.pose
        self.fold = net.fold
        widths = [min(net.width * 2**k, net.channels) for k in range(how.style_halvings + 1)]
        self.stem = conv_norm_relu(3 * net.fold**2, net.width, net.edge_kernel, 1, net.style(net.padding))
        self.down = nn.Sequential(*(ResidualDownBlock(a, b) for a, b in pairwise(widths)))
        code = widths[-1]
        self.layers = nn.Sequential(
            nn.Linear(code, code), nn.ReLU(), nn.Linear(code, code), nn.ReLU(), nn.Linear(code, numbers)
        )

    def forward(self, guide: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N"]:
        return self.layers(self.down(self.stem(pixel_unshuffle(guide, self.fold))).mean((2, 3)))


class AdaptiveResidualBlock(nn.Module):
    """A residual block whose two instance normalizations take scale and shift from a style code."""

    def __init__(self, how: PoseAttentionConfig) -> None:
        super().__init__()
        first, second = (
            plain_or_separable_conv(how.channels, how.channels, 3, 1, how.style(how.padding)) for _ in range(2)
        )
        self.first, self.second = first, second

    def forward(self, x: Float[Tensor, "B C h w"], style: Float[Tensor, "B 4 C"]) -> Float[Tensor, "B C h w"]:
        scale, shift, later_scale, later_shift = style[..., None, None].unbind(1)
        y = relu(torch.addcmul(shift, instance_norm(self.first(x)), 1 + scale))
        return x + torch.addcmul(later_shift, instance_norm(self.second(y)), 1 + later_scale)


class DetailModule(nn.Module):
    """DRM: draw a picture from features, in the style of a guide."""

    def __init__(self, outputs: int, how: DetailConfig) -> None:
        super().__init__()
        self.channels = how.pose.channels
        self.style = StyleEncoder(how.blocks * 4 * self.channels, how)
        self.blocks = nn.ModuleList(AdaptiveResidualBlock(how.pose) for _ in range(how.blocks))
        self.decoder = PictureDecoder(outputs, how.pose)

    def forward(self, features: Float[Tensor, "B C h w"], guide: Float[Tensor, "B 3 _ _"]) -> Float[Tensor, "B O H W"]:
        styles = self.style(guide).unflatten(1, (-1, 4, self.channels))
        for block, style in zip(self.blocks, styles.unbind(1), strict=True):
            features = block(features, style)
        return self.decoder(features)


class ReplenishingBranch(nn.Module):
    """The details of the whole picture, and the face."""

    def __init__(self, how: DetailConfig) -> None:
        super().__init__()
        self.fold = how.pose.fold
        self.whole, self.face = DetailModule(how.pose.outputs, how), DetailModule(3, how)
        self.landmarks = build_stream_encoder(FACE_LANDMARKS, how.pose)
        init_attention_weights(self, how.pose)

    def forward(
        self, coarse: Float[Tensor, "B O H W"], features: Float[Tensor, "B C h w"], given: DetailInput
    ) -> Float[Tensor, "B O H W"]:
        """The coarse picture with details added and the face blended in."""
        face = self.face(self.landmarks(pixel_unshuffle(given.landmarks, self.fold)), given.face)
        drawn = coarse + self.whole(features, given.photo)
        size = (drawn.shape[2], drawn.shape[3])
        mask = soft_box_mask(given.box, size) * given.shown[:, None, None, None]
        colour = torch.lerp(drawn[:, :3].float(), paste_faces(face.float(), given.box, size), mask)
        return torch.cat([colour, drawn[:, 3:].float()], 1)


class DetailReplenishingNetworks(nn.Module):
    """Both branches. Details are learnt on top of the coarse picture as it is: gradients reach the pose branch through
    its features alone."""

    def __init__(self, how: DetailConfig = PUBLISHED_DETAIL) -> None:
        super().__init__()
        self.how, self.pose_branch, self.replenishing = how, PoseAttentionNet(how.pose), ReplenishingBranch(how)

    def forward(self, given: DetailInput) -> DetailOutput:
        coarse, features = self.pose_branch(given.photo, given.poses)
        return DetailOutput(coarse, self.replenishing(coarse.detach(), features, given))


def pixel_centres(count: int, like: Tensor) -> Float[Tensor, " n"]:
    """Image points of the centres of pixels along an axis."""
    return (torch.arange(count, device=like.device) + 0.5) * 2 / count - 1


def soft_box_mask(boxes: Float[Tensor, "B 4"], size: tuple[int, int]) -> Float[Tensor, "B 1 H W"]:
    """1 in each box and 0 outside, blurred by a Gaussian in proportion to the box."""
    sides = []
    for axis, count in ((1, size[0]), (0, size[1])):
        low, high = boxes[:, axis, None], boxes[:, axis + 2, None]
        spread = 2**0.5 * BLEND_SOFTNESS * (high - low).clamp(min=1e-3)
        at = pixel_centres(count, boxes)
        sides.append((torch.erf((at - low) / spread) - torch.erf((at - high) / spread)) / 2)
    return (sides[0][:, :, None] * sides[1][:, None, :])[:, None]


def paste_faces(
    faces: Float[Tensor, "B C s s"], boxes: Float[Tensor, "B 4"], size: tuple[int, int]
) -> Float[Tensor, "B C H W"]:
    """Faces scaled into their boxes, their borders continued outwards."""
    centre, half = (boxes[:, 2:] + boxes[:, :2]) / 2, ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=1e-3)
    across = (pixel_centres(size[1], boxes) - centre[:, :1]) / half[:, :1]
    down = (pixel_centres(size[0], boxes) - centre[:, 1:]) / half[:, 1:]
    shape = (len(boxes), *size)
    grid = torch.stack([across[:, None, :].expand(shape), down[:, :, None].expand(shape)], -1)
    return grid_sample(faces, grid, padding_mode="border", align_corners=False)


def crop_boxes(
    pictures: Float[Tensor, "B C H W"], boxes: Float[Tensor, "B 4"], side: int
) -> Float[Tensor, "B C side side"]:
    """The boxes of pictures as squares; zero outside the pictures."""
    at = pixel_centres(side, boxes)
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    points = (low + high) / 2 + at[:, None] * (high - low) / 2  # [B, s, 2]
    shape = (len(boxes), side, side)
    grid = torch.stack([points[:, None, :, 0].expand(shape), points[:, :, None, 1].expand(shape)], -1)
    return grid_sample(pictures, grid, align_corners=False)


class PairDiscriminators(nn.Module):
    """D_A judges a picture beside the photo, D_S beside the target's pose. Scores are maps of many channels."""

    def __init__(self, how: DetailConfig = PUBLISHED_DETAIL) -> None:
        super().__init__()
        net = replace(how.pose, width=how.critic_width)
        self.fold = net.fold
        self.appearance, self.shape = (
            build_residual_discriminator(3 + extra, how.critic_blocks, net) for extra in (3, net.poses // 2)
        )
        init_attention_weights(self, net)

    def forward(self, pictures: Float[Tensor, "B I H W"]) -> Float[Tensor, "B 2 C h w"]:
        """Scores of pictures with the photo and the target's heat maps behind them as channels."""
        picture, photo, pose = pictures[:, :3], pictures[:, 3:6], pictures[:, 6:]
        seen = (torch.cat([picture, beside], 1) for beside in (photo, pose))
        nets = (self.appearance, self.shape)
        return torch.stack([net(pixel_unshuffle(x, self.fold)) for net, x in zip(nets, seen, strict=True)], 1)


def build_residual_discriminator(inputs: int, blocks: int, net: PoseAttentionConfig) -> nn.Sequential:
    """PATN's discriminator: convolutions down to a quarter of the size, and residual blocks; no last layer."""
    residual = (ResidualBlock(net.channels, net.style(net.padding)) for _ in range(blocks))
    return nn.Sequential(build_stream_encoder(inputs, net), *residual)
