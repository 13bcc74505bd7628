"""The shipped form of the Liquid Warping GAN: it looks at what another generator draws, and at the photos, and says
what to change. What it does not change stays the photo's own pixels, at any size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.background.fill import spread
from motion_imitate.compositing.compose import compose, palette
from motion_imitate.generators.liquid_warping import SID, TSF, Heads
from motion_imitate.geometry.flow import warp
from motion_imitate.types import Batched, Drawn, Generator, Source, View

FITS = 4  # times that what moved is left out, to find how the whole moved
SPARSE = 3  # pixels apart that are asked for that
GROUPS = 3  # ways to read a photo: the spot itself, its twin on the other side of the body, front for back


@dataclass(frozen=True)
class Retouching:
    size: int = 256  # pixels of the longer side at which the networks look
    margin: float = 0.1  # round the person in a photo, of the longer side of what they take up
    slide: float = 0.02  # of the picture, by which a flow is moved where the network says 1
    ease: float = 3.0  # the trust that is not changed, as a logit: how far the network may raise it, too
    thin: float = 0.04  # least share of a pixel that is left to colour, where all of it is the photo's
    stir: float = 0.04  # of the picture, by which a spot has to move for the network to have its full say


@dataclass(frozen=True)
class Looked(Batched):
    """A person's photos as the network sees them."""

    picture: Float[Tensor, "N 7 s s"]  # colour without what is behind, matte, place on the body
    frame: Float[Tensor, "N 4"]  # where that square lies in the photo: middle x, y, half width, half height


@dataclass(frozen=True)
class Draft(Batched):
    """What there is to change, as the network sees it, and what it is made of."""

    picture: Float[Tensor, "B 14 h w"]  # colour, what is not read of it, cover, trusts, place on the body, slant
    drawn: Drawn

    @property
    def places(self) -> Float[Tensor, "B 3 h w"]:
        return self.picture[:, 10:13]


@dataclass(frozen=True)
class Known:
    base: Any  # the other generator's code
    features: Sequence[Float[Tensor, "N _ _ _"]]
    palette: Float[Tensor, "N 4 h w"]  # at the size that the network looks at
    frame: Float[Tensor, "N 4"]


class Retouch:
    """A Generator over another. `places` says where each face is on the body, in [-1, 1]."""

    def __init__(
        self,
        base: Generator,  # type: ignore[type-arg]
        source: SID,
        target: TSF,
        places: Float[Tensor, "F 3"],
        how: Retouching = Retouching(),
    ) -> None:
        self.base, self.places, self.how = base, places, how
        self.source, self.target = source.eval(), target.eval()

    @torch.no_grad()
    def encode(self, source: Source) -> Known:
        looked = look_at(source, self.places, self.how)
        small = palette(smaller(source, 2 * self.how.size))  # as large as what is drawn of it, or larger
        return Known(self.base.encode(source), self.source.features(looked.picture), small, looked.frame)

    @torch.no_grad()
    def draw(self, code: Known, target: View) -> Drawn:
        drafts = draft(self.base.draw(code.base, target), code.palette, target, self.places)
        small = shrunk(drafts, self.how.size)
        flows, valid = framed(small.drawn, code.frame)
        heads = held(self.target(small.picture, code.features, flows, valid), small.drawn, self.how)
        size = drafts.picture.shape[2:]
        return changed(drafts, Heads(*(bilinear(head, size) for head in heads)), self.how)


def smaller(source: Source, longest: int) -> Source:
    """The photos at a size of `longest` at most."""
    scale = min(1.0, longest / max(source.image.shape[2:]))
    size = [max(1, round(side * scale)) for side in source.image.shape[2:]]
    image, matte, behind = (resized(x, size, mode="area") for x in (source.image, source.matte, source.background))
    return replace(source, image=image, matte=matte, background=behind)


def look_at(source: Source, places: Float[Tensor, "F 3"], how: Retouching) -> Looked:
    frame = torch.stack([frame_of(matte, how.margin) for matte in source.matte[:, 0]])
    seen = placed(source.view, places)
    lines = torch.linspace(-1, 1, 2 * how.size + 1)[1::2]
    square = torch.stack(torch.meshgrid(lines, lines, indexing="xy"), -1).to(frame)
    at = frame[:, None, None, :2] + square * frame[:, None, None, 2:]
    person = source.image * source.matte
    both = torch.cat([person, source.matte], 1)
    step = max(1, round(float(frame[:, 2:].amax()) * max(both.shape[2:]) / how.size))
    both = torch.nn.functional.avg_pool2d(both, step, ceil_mode=True) if step > 1 else both
    return Looked(torch.cat([warp(both, at), warp(seen, at)], 1), frame)


def frame_of(matte: Float[Tensor, "H W"], margin: float) -> Float[Tensor, "4"]:
    """A square round the person, in the picture's pixels: middle and half sides in image points."""
    height, width = matte.shape
    on = matte > 0.5
    if not on.any():
        return matte.new_tensor([0.0, 0.0, 1.0, 1.0])
    rows, columns = on.any(1).nonzero()[:, 0], on.any(0).nonzero()[:, 0]
    top, bottom, left, right = (float(x) for x in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    half = max(bottom - top, right - left) * (0.5 + margin)
    x, y = (left + right) / width - 1, (top + bottom) / height - 1
    return matte.new_tensor([x, y, 2 * half / width, 2 * half / height])


def placed(view: View, places: Float[Tensor, "F 3"]) -> Float[Tensor, "B 3 H W"]:
    """Where on the body each pixel's face is; 0 where none is."""
    face = view.raster.face
    return (places[face.clamp(min=0)] * (face >= 0)[..., None]).permute(0, 3, 1, 2)


def slant(view: View) -> Float[Tensor, "B 1 H W"]:
    """How squarely each pixel's face is seen: 1 from the front, 0 from the side or where none is."""
    metric = torch.cat([view.corners[..., :2] * view.corners[..., 2:], view.corners[..., 2:]], -1)
    a, b, c = metric.unbind(2)
    normal = torch.linalg.cross(b - a, c - a)
    square = (normal[..., 2] / normal.norm(dim=-1).clamp(min=1e-12)).abs()
    face = view.raster.face
    return (square.gather(1, face.clamp(min=0).flatten(1)).view(face.shape) * (face >= 0))[:, None]


def draft(drawn: Drawn, palette: Float[Tensor, "N 4 H W"], target: View, places: Float[Tensor, "F 3"]) -> Draft:
    size = (drawn.cover.shape[2], drawn.cover.shape[3])
    colour, cover = compose(drawn, palette, size)
    known = (cover > 0).to(cover)
    whole = spread(colour, known)
    parts = (
        whole,
        torch.where(known > 0, drawn.colour, whole),
        cover,
        grouped(drawn.trust),
        placed(target, places),
        slant(target),
    )
    return Draft(torch.cat(parts, 1), drawn)


def grouped(trust: Float[Tensor, "B K H W"]) -> Float[Tensor, "B 3 H W"]:
    return trust.unflatten(1, (GROUPS, -1)).sum(2)


def shrunk(drafts: Draft, longest: int) -> Draft:
    size = drafts.picture.shape[2:]
    scale = min(1.0, longest / max(size))
    if scale == 1:
        return drafts
    small = [max(8, round(side * scale)) for side in size]
    drawn, total = drafts.drawn, drafts.drawn.trust.clamp(min=1e-6)
    across, down = (drawn.flow * total[..., None]).unbind(-1)
    parts = (drafts.picture, drawn.colour, drawn.cover, drawn.trim, drawn.trust, total, across, down)
    both = torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)  # a pixel's numbers are added together
    means = resized(both, small, mode="area").split([part.shape[1] for part in parts], 1)
    picture, colour, cover, trim, trust, total, across, down = (mean.contiguous() for mean in means)
    return Draft(picture, Drawn(colour, cover, torch.stack([across / total, down / total], -1), trust, trim))


def framed(drawn: Drawn, frame: Float[Tensor, "N 4"]) -> tuple[Float[Tensor, "B K H W 2"], Float[Tensor, "B K H W"]]:
    """Flows into the squares that the network looked at, and how far each way is to be believed."""
    each = frame.repeat(drawn.flow.shape[1] // len(frame), 1)[:, None, None]
    return (drawn.flow - each[..., :2]) / each[..., 2:], drawn.trust


def bilinear(x: Tensor, size: Sequence[int]) -> Tensor:
    return x if x.shape[2:] == torch.Size(size) else resized(x, list(size), mode="bilinear", align_corners=False)


def held(heads: Heads, drawn: Drawn, how: Retouching) -> Heads:
    """What the network says, the less the less has moved: who stands as in the photo is the photo."""
    moved = stirred(drawn, how)
    return Heads(*(head * moved for head in heads))


def stirred(drawn: Drawn, how: Retouching) -> Float[Tensor, "B 1 H W"]:
    """How far each spot is from where it would be if the photo had been moved as a whole: 1 from `how.stir` on."""
    height, width = drawn.cover.shape[2:]
    count = drawn.trust.shape[1] // GROUPS  # of photos; the first ways read the spot itself
    trust, flow = drawn.trust[:, :count], drawn.flow[:, :count].movedim(-1, 0).contiguous()
    rows, columns = (torch.arange(side, dtype=flow.dtype, device=flow.device) for side in (height, width))
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[:, None, None] / (how.stir * max(height, width))
    some = (..., slice(None, None, SPARSE), slice(None, None, SPARSE))
    x, y, each = (t[some].flatten(-2) for t in (flow, here, trust))
    weight = each
    for _ in range(FITS):
        slope, start = line(x, y, weight)
        weight = each / (1 + (y - slope * x - start).square().sum(0))
    off = (here - slope[..., None] * flow - start[..., None]).square().sum(0)
    still = (trust * (1 - off.clamp(max=1).sqrt())).sum(1, keepdim=True)
    known = drawn.trust.sum(1, keepdim=True)
    return 1 - spread(still / known.clamp(min=1e-6), (known > 0).to(known))


def line(x: Float[Tensor, "*n p"], y: Float[Tensor, "*m p"], weight: Float[Tensor, "*o p"]) -> tuple[Tensor, Tensor]:
    """Slope and start of the straight line that is nearest to all y, each as much as it weighs."""
    share = weight / weight.sum(-1, keepdim=True).clamp(min=1e-6)
    middle, level = ((share * z).sum(-1, keepdim=True) for z in (x, y))
    across = share * (x - middle)
    slope = (across * y).sum(-1, keepdim=True) / (across * (x - middle)).sum(-1, keepdim=True).clamp(min=1e-9)
    return slope, level - slope * middle


def changed(drafts: Draft, heads: Heads, how: Retouching) -> Drawn:
    """What was drawn, changed as the network says. Where it says 0 all is as it was."""
    drawn = drafts.drawn
    whole, fill = drafts.picture[:, :3], drafts.picture[:, 3:6]  # of which the photo's own share of a pixel is the rest
    ease = torch.sigmoid(heads.trust + how.ease) / torch.sigmoid(heads.trust.new_tensor(how.ease))
    trust = drawn.trust * ease.repeat_interleave(drawn.trust.shape[1] // GROUPS, 1)
    trust = trust / trust.sum(1, keepdim=True).clamp(min=1)
    before, after = (1 - t.sum(1, keepdim=True) for t in (drawn.trust, trust))
    ratio = trust.sum(1, keepdim=True) / drawn.trust.sum(1, keepdim=True).clamp(min=1e-6)
    read = ratio * (whole - before * fill)  # of the photo, as much as is still believed
    colour = fill + (whole + heads.colour - read - after * fill) / after.clamp(min=how.thin)
    flow = drawn.flow + how.slide * heads.offset.permute(0, 2, 3, 1)[:, None]
    return Drawn(
        colour.clamp(0, 1),
        (drawn.cover + heads.cover).clamp(0, 1),
        flow,
        trust,
        drawn.trim * (1 - heads.cover.clamp(0, 1)),
    )
