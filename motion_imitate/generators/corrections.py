"""A small Liquid Warping GAN that corrects drafts of an avatar.

SID encodes the photo. TSF sees the draft; at every size it reads SID's features where the avatar reads the photo. Its
output is added to the picture of the avatar, so that pixels without corrections stay the photo's own at any size.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF, LiquidWarpingConfig
from motion_imitate.geometry.flow import warp_image
from motion_imitate.geometry.view import body_position_map
from motion_imitate.types import Batched, Draft, Source

GLOBAL_FIT_ITERATIONS = 4  # reweighted fits of how the photo moved as a whole
GLOBAL_FIT_STRIDE = 3  # pixels between the samples of that fit


@dataclass(frozen=True)
class CorrectionSettings:
    """What the networks see of the photo, and where their corrections apply."""

    size: int = 256  # side of the photo's crop, in pixels
    margin: float = 0.1  # around the person in the photo, as a fraction of the longer side of their bounding box
    stir: float = 0.04  # motion, as a fraction of the draft, from which corrections apply in full
    still: float = 0.01  # motion up to which none apply
    reach: int = 6  # pixels around the person where corrections apply, too


@dataclass(frozen=True)
class PersonCrop(Batched):
    """The photo as the networks see it: a square around the person."""

    picture: Float[Tensor, "B 7 s s"]  # masked colour, matte, position on the body
    frame: Float[Tensor, "B 4"]  # the square in the photo, in image points: centre x, y, half width, half height


class CorrectionNetworks(nn.Module):
    """SID and TSF."""

    def __init__(
        self,
        shape: LiquidWarpingConfig = NETWORK_SHAPES["corrections"],
        how: CorrectionSettings = CorrectionSettings(),
    ) -> None:
        super().__init__()
        self.source, self.target, self.how = SID(shape), TSF(shape), how

    def encode(self, crop: PersonCrop) -> list[Float[Tensor, "B 1 _ _ _"]]:
        """SID's features of one photo per person."""
        return self.source.features(crop.picture[:, None])

    def forward(self, crop: PersonCrop, draft: Draft) -> Float[Tensor, "B 4 H W"]:
        """`correct`; the views of each person come in order, the same number for each."""
        return self.correct(self.encode(crop), crop.frame, draft)

    def correct(
        self, features: list[Float[Tensor, "P 1 _ _ _"]], frame: Float[Tensor, "P 4"], draft: Draft
    ) -> Float[Tensor, "B 4 H W"]:
        """What to add to the premultiplied colour and the cover of drafts."""
        each = frame.repeat_interleave(len(draft) // len(frame), 0)[:, None, None]
        flow = (draft.flow - each[..., :2]) / each[..., 2:]
        shown = draft.cover * draft.seen
        seen = torch.cat([draft.colour, draft.cover, shown, flow.permute(0, 3, 1, 2).clamp(-1, 1), draft.position], 1)
        heads = self.target(seen.contiguous(memory_format=torch.channels_last), features, flow[:, None], shown)
        return torch.cat([heads.colour, heads.cover], 1) * changed_map(draft, self.how)


def crop_person(source: Source, positions: Float[Tensor, "F 3"], how: CorrectionSettings) -> PersonCrop:
    """A square crop of the first photo around the person."""
    frame = square_around_matte(source.matte[0, 0], how.margin)[None]
    lines = torch.linspace(-1, 1, 2 * how.size + 1)[1::2]
    square = torch.stack(torch.meshgrid(lines, lines, indexing="xy"), -1).to(frame)
    at = frame[:, None, None, :2] + square * frame[:, None, None, 2:]
    both = torch.cat([source.image[:1] * source.matte[:1], source.matte[:1]], 1)
    step = max(1, round(float(frame[0, 2:].amax()) * max(both.shape[2:]) / how.size))
    both = avg_pool2d(both, step, ceil_mode=True) if step > 1 else both
    body = body_position_map(source.view[:1], positions)
    return PersonCrop(torch.cat([warp_image(both, at), warp_image(body, at)], 1), frame)


def square_around_matte(matte: Float[Tensor, "H W"], margin: float) -> Float[Tensor, "4"]:
    """A square around the person in image points: centre x, y, half width, half height.

    The whole image if the matte shows nobody.
    """
    height, width = matte.shape
    on = matte > 0.5
    if not on.any():
        return matte.new_tensor([0.0, 0.0, 1.0, 1.0])
    rows, columns = on.any(1).nonzero()[:, 0], on.any(0).nonzero()[:, 0]
    top, bottom, left, right = (float(x) for x in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    half = max(bottom - top, right - left) * (0.5 + margin)
    x, y = (left + right) / width - 1, (top + bottom) / height - 1
    return matte.new_tensor([x, y, 2 * half / width, 2 * half / height])


def changed_map(draft: Draft, how: CorrectionSettings) -> Float[Tensor, "B 1 H W"]:
    """Where corrections apply: 0 where the photo shows the same and only moved as a whole, and far from the person."""
    still = draft.seen * (1 - relative_motion_map(draft, how))
    both = torch.cat([draft.cover * (1 - still), draft.cover], 1)
    side = 2 * how.reach + 1
    across = avg_pool2d(both, (1, side), 1, (0, how.reach))
    changed, near = avg_pool2d(across, (side, 1), 1, (how.reach, 0)).split(1, 1)
    return changed / near.clamp(min=1e-6)


def relative_motion_map(draft: Draft, how: CorrectionSettings) -> Float[Tensor, "B 1 H W"]:
    """Distance of each pixel from where a scaling and shift of the whole photo would put it.

    0 up to `how.still`, 1 from `how.stir` on.
    """
    height, width = draft.cover.shape[2:]
    flow = draft.flow.movedim(-1, 0)  # [2, B, H, W]
    rows, columns = (torch.arange(side, dtype=flow.dtype, device=flow.device) for side in (height, width))
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[:, None] / (how.stir * max(height, width))
    some = (..., slice(None, None, GLOBAL_FIT_STRIDE), slice(None, None, GLOBAL_FIT_STRIDE))
    x, y, shown = (t[some].flatten(-2) for t in (flow, here, (draft.cover * draft.seen)[:, 0]))
    weight = shown
    for _ in range(GLOBAL_FIT_ITERATIONS):
        slope, start = fit_rising_line(x, y, weight)
        weight = shown / (1 + (y - slope * x - start).square().sum(0)).square()
    off = (here - slope[..., None] * flow - start[..., None]).square().sum(0).sqrt()[:, None]
    low = how.still / how.stir
    return ((off - low) / (1 - low)).clamp(0, 1)


def fit_rising_line(
    x: Float[Tensor, "*n p"], y: Float[Tensor, "*m p"], weight: Float[Tensor, "*o p"]
) -> tuple[Tensor, Tensor]:
    """Slope, at least 0, and intercept of the weighted least-squares line through the points."""
    share = weight / weight.sum(-1, keepdim=True).clamp(min=1e-6)
    middle, level = ((share * z).sum(-1, keepdim=True) for z in (x, y))
    across = share * (x - middle)
    slope = (across * y).sum(-1, keepdim=True) / (across * (x - middle)).sum(-1, keepdim=True).clamp(min=1e-9)
    slope = slope.clamp(min=0)
    return slope, level - slope * middle


def apply_corrections(draft: Draft, change: Float[Tensor, "B 4 H W"]) -> Float[Tensor, "B 4 H W"]:
    """Premultiplied colour, between 0 and the cover, and cover of corrected drafts."""
    cover = (draft.cover + change[:, 3:]).clamp(0, 1)
    return torch.cat([(draft.colour + change[:, :3]).clamp(min=0).minimum(cover), cover], 1)
