"""The shipped form of the Liquid Warping GAN: networks that correct what another generator draws.

They see that drawing and the photos. Pixels that they leave unchanged stay the photo's own, at any output size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.background.fill import diffuse_colours
from motion_imitate.compositing.compose import build_palette, compose_person
from motion_imitate.generators.liquid_warping import SID, TSF, OutputHeads
from motion_imitate.geometry.flow import warp_image
from motion_imitate.geometry.view import body_position_map
from motion_imitate.types import Batched, Drawn, Generator, Source, View

GLOBAL_FIT_ITERATIONS = 4  # reweighted fits of how the photo moved as a whole
GLOBAL_FIT_STRIDE = 3  # pixels between the samples of that fit
WAYS_PER_PHOTO = 3  # ways to read a photo: the point itself, its mirror twin, the point opposite front to back


@dataclass(frozen=True)
class RetouchSettings:
    """Input size of the correction networks and the limits of their corrections."""

    size: int = 256  # longer side of the networks' input, in pixels
    margin: float = 0.1  # around the person in a photo, as a fraction of the longer side of their bounding box
    slide: float = 0.02  # flow offset in image points where the network outputs 1
    ease: float = 3.0  # logit of unchanged trust; bounds how far the network can raise it
    thin: float = 0.04  # smallest share of a pixel taken as fill colour where the photo has all of it
    stir: float = 0.04  # motion, as a fraction of the image, from which corrections apply in full


@dataclass(frozen=True)
class PersonCrops(Batched):
    """A person's photos as the networks see them: square crops around the person."""

    picture: Float[Tensor, "N 7 s s"]  # masked colour, matte, position on the body
    frame: Float[Tensor, "N 4"]  # the crop in the photo, in image points: centre x, y, half width, half height


@dataclass(frozen=True)
class RetouchDraft(Batched):
    """A base generator's drawing as the networks see it, with the drawing itself."""

    picture: Float[Tensor, "B 14 h w"]  # colour, fill colour, cover, trust of each way, position on the body, facing
    drawn: Drawn

    @property
    def places(self) -> Float[Tensor, "B 3 h w"]:
        """Position on the body of each pixel."""
        return self.picture[:, 10:13]


@dataclass(frozen=True)
class RetouchCode:
    """What `RetouchGenerator.encode` keeps of a person's photos."""

    base: Any  # code of the base generator
    features: Sequence[Float[Tensor, "N _ _ _"]]
    palette: Float[Tensor, "N 4 h w"]  # colours to read, downscaled to about the networks' input size
    frame: Float[Tensor, "N 4"]


class RetouchGenerator:
    """A Generator that corrects the drawings of another.

    `places` gives each face's position on the body, in [-1, 1].
    """

    def __init__(
        self,
        base: Generator,  # type: ignore[type-arg]
        source: SID,
        target: TSF,
        places: Float[Tensor, "F 3"],
        how: RetouchSettings = RetouchSettings(),
    ) -> None:
        self.base, self.places, self.how = base, places, how
        self.source, self.target = source.eval(), target.eval()

    @torch.no_grad()
    def encode(self, source: Source) -> RetouchCode:
        """Compute the networks' features of the photos once."""
        looked = crop_person(source, self.places, self.how)
        small = build_palette(downscale_source(source, 2 * self.how.size))  # at least as large as the drawing
        return RetouchCode(self.base.encode(source), self.source.features(looked.picture), small, looked.frame)

    @torch.no_grad()
    def draw(self, code: RetouchCode, target: View) -> Drawn:
        """Draw with the base generator, then apply the networks' corrections."""
        drafts = make_retouch_draft(self.base.draw(code.base, target), code.palette, target, self.places)
        small = downscale_draft(drafts, self.how.size)
        flows, valid = flows_into_crops(small.drawn, code.frame)
        heads = fade_corrections(self.target(small.picture, code.features, flows, valid), small.drawn, self.how)
        size = drafts.picture.shape[2:]
        return apply_corrections(drafts, OutputHeads(*(resize_bilinear(head, size) for head in heads)), self.how)


def downscale_source(source: Source, longest: int) -> Source:
    """The source with photos of at most `longest` pixels on the longer side."""
    scale = min(1.0, longest / max(source.image.shape[2:]))
    size = [max(1, round(side * scale)) for side in source.image.shape[2:]]
    image, matte, behind = (resized(x, size, mode="area") for x in (source.image, source.matte, source.background))
    return replace(source, image=image, matte=matte, background=behind)


def crop_person(source: Source, places: Float[Tensor, "F 3"], how: RetouchSettings) -> PersonCrops:
    """Square crops of the photos around the person, with their position in each photo."""
    frame = torch.stack([square_around_matte(matte, how.margin) for matte in source.matte[:, 0]])
    seen = body_position_map(source.view, places)
    lines = torch.linspace(-1, 1, 2 * how.size + 1)[1::2]
    square = torch.stack(torch.meshgrid(lines, lines, indexing="xy"), -1).to(frame)
    at = frame[:, None, None, :2] + square * frame[:, None, None, 2:]
    person = source.image * source.matte
    both = torch.cat([person, source.matte], 1)
    step = max(1, round(float(frame[:, 2:].amax()) * max(both.shape[2:]) / how.size))
    both = torch.nn.functional.avg_pool2d(both, step, ceil_mode=True) if step > 1 else both
    return PersonCrops(torch.cat([warp_image(both, at), warp_image(seen, at)], 1), frame)


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


def facing_map(view: View) -> Float[Tensor, "B 1 H W"]:
    """How directly each pixel's face is seen: 1 from the front, 0 edge-on or where there is no face."""
    metric = torch.cat([view.corners[..., :2] * view.corners[..., 2:], view.corners[..., 2:]], -1)
    a, b, c = metric.unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    square = (normal[..., 2] / normal.norm(dim=-1).clamp(min=1e-12)).abs()
    face = view.raster.face
    return (square.gather(1, face.clamp(min=0).flatten(1)).view(face.shape) * (face >= 0))[:, None]


def make_retouch_draft(
    drawn: Drawn, palette: Float[Tensor, "N 4 H W"], target: View, places: Float[Tensor, "F 3"]
) -> RetouchDraft:
    """The network input for a drawing, at the size of the view."""
    size = (drawn.cover.shape[2], drawn.cover.shape[3])
    colour, cover = compose_person(drawn, palette, size)
    known = (cover > 0).to(cover)
    whole = diffuse_colours(colour, known)
    parts = (
        whole,
        torch.where(known > 0, drawn.colour, whole),
        cover,
        trust_by_way(drawn.trust),
        body_position_map(target, places),
        facing_map(target),
    )
    return RetouchDraft(torch.cat(parts, 1), drawn)


def trust_by_way(trust: Float[Tensor, "B K H W"]) -> Float[Tensor, "B 3 H W"]:
    """Trust summed over the photos: one channel for each way to read a photo."""
    return trust.unflatten(1, (WAYS_PER_PHOTO, -1)).sum(2)


def downscale_draft(drafts: RetouchDraft, longest: int) -> RetouchDraft:
    """The draft averaged down to at most `longest` pixels; flows are averaged by trust."""
    size = drafts.picture.shape[2:]
    scale = min(1.0, longest / max(size))
    if scale == 1:
        return drafts
    small = [max(8, round(side * scale)) for side in size]
    drawn, total = drafts.drawn, drafts.drawn.trust.clamp(min=1e-6)
    across, down = (drawn.flow * total[..., None]).unbind(-1)
    parts = (drafts.picture, drawn.colour, drawn.cover, drawn.trim, drawn.trust, total, across, down)
    both = torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)  # channels of a pixel lie together
    means = resized(both, small, mode="area").split([part.shape[1] for part in parts], 1)
    picture, colour, cover, trim, trust, total, across, down = (mean.contiguous() for mean in means)
    return RetouchDraft(picture, Drawn(colour, cover, torch.stack([across / total, down / total], -1), trust, trim))


def flows_into_crops(
    drawn: Drawn, frame: Float[Tensor, "N 4"]
) -> tuple[Float[Tensor, "B K H W 2"], Float[Tensor, "B K H W"]]:
    """Flows relative to the crops that the networks saw, and the trust of each."""
    each = frame.repeat(drawn.flow.shape[1] // len(frame), 1)[:, None, None]
    return (drawn.flow - each[..., :2]) / each[..., 2:], drawn.trust


def resize_bilinear(x: Tensor, size: Sequence[int]) -> Tensor:
    """The image at another size; unchanged if it has that size already."""
    return x if x.shape[2:] == torch.Size(size) else resized(x, list(size), mode="bilinear", align_corners=False)


def fade_corrections(heads: OutputHeads, drawn: Drawn, how: RetouchSettings) -> OutputHeads:
    """Fade corrections out where a pixel moved only with the photo as a whole."""
    moved = relative_motion_map(drawn, how)
    return OutputHeads(*(head * moved for head in heads))


def relative_motion_map(drawn: Drawn, how: RetouchSettings) -> Float[Tensor, "B 1 H W"]:
    """Distance of each pixel from where a scaling and shift of the whole photo would put it: 1 from `how.stir` on."""
    height, width = drawn.cover.shape[2:]
    count = drawn.trust.shape[1] // WAYS_PER_PHOTO  # photos; the first ways read the point itself
    trust, flow = drawn.trust[:, :count], drawn.flow[:, :count].movedim(-1, 0).contiguous()
    rows, columns = (torch.arange(side, dtype=flow.dtype, device=flow.device) for side in (height, width))
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[:, None, None] / (how.stir * max(height, width))
    some = (..., slice(None, None, GLOBAL_FIT_STRIDE), slice(None, None, GLOBAL_FIT_STRIDE))
    x, y, each = (t[some].flatten(-2) for t in (flow, here, trust))
    weight = each
    for _ in range(GLOBAL_FIT_ITERATIONS):
        slope, start = fit_weighted_line(x, y, weight)
        weight = each / (1 + (y - slope * x - start).square().sum(0))
    off = (here - slope[..., None] * flow - start[..., None]).square().sum(0)
    still = (trust * (1 - off.clamp(max=1).sqrt())).sum(1, keepdim=True)
    known = drawn.trust.sum(1, keepdim=True)
    return 1 - diffuse_colours(still / known.clamp(min=1e-6), (known > 0).to(known))


def fit_weighted_line(
    x: Float[Tensor, "*n p"], y: Float[Tensor, "*m p"], weight: Float[Tensor, "*o p"]
) -> tuple[Tensor, Tensor]:
    """Slope and intercept of the weighted least-squares line through the points."""
    share = weight / weight.sum(-1, keepdim=True).clamp(min=1e-6)
    middle, level = ((share * z).sum(-1, keepdim=True) for z in (x, y))
    across = share * (x - middle)
    slope = (across * y).sum(-1, keepdim=True) / (across * (x - middle)).sum(-1, keepdim=True).clamp(min=1e-9)
    return slope, level - slope * middle


def apply_corrections(drafts: RetouchDraft, heads: OutputHeads, how: RetouchSettings) -> Drawn:
    """The drawing with the networks' corrections applied; heads of 0 change nothing."""
    drawn = drafts.drawn
    whole, fill = drafts.picture[:, :3], drafts.picture[:, 3:6]  # the photo supplies the rest of each pixel
    ease = torch.sigmoid(heads.trust + how.ease) / torch.sigmoid(heads.trust.new_tensor(how.ease))
    trust = drawn.trust * ease.repeat_interleave(drawn.trust.shape[1] // WAYS_PER_PHOTO, 1)
    trust = trust / trust.sum(1, keepdim=True).clamp(min=1)
    before, after = (1 - t.sum(1, keepdim=True) for t in (drawn.trust, trust))
    ratio = trust.sum(1, keepdim=True) / drawn.trust.sum(1, keepdim=True).clamp(min=1e-6)
    read = ratio * (whole - before * fill)  # the photo's part, as far as it is still trusted
    colour = fill + (whole + heads.colour - read - after * fill) / after.clamp(min=how.thin)
    flow = drawn.flow + how.slide * heads.offset.permute(0, 2, 3, 1)[:, None]
    return Drawn(
        colour.clamp(0, 1),
        (drawn.cover + heads.cover).clamp(0, 1),
        flow,
        trust,
        drawn.trim * (1 - heads.cover.clamp(0, 1)),
    )
