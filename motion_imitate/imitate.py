"""The method on one page: photos become a Source, a motion becomes views, a generator draws them, and the drawn person
is read from the photos at the size of the output."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate as resized
from torch.nn.functional import max_pool2d

from motion_imitate.background import behind, spread
from motion_imitate.bodies.dress import dress
from motion_imitate.bodies.skinning import Skinned
from motion_imitate.camera import project
from motion_imitate.estimators.fit import fit
from motion_imitate.estimators.fitter import Fitter
from motion_imitate.estimators.matte import matte as matte_of
from motion_imitate.flow import resize, warp
from motion_imitate.types import (
    Body,
    BodyModel,
    Camera,
    Drawn,
    Frames,
    Generator,
    Motion,
    Rasterizer,
    Sighting,
    Source,
    View,
    cat,
)


@dataclass(frozen=True)
class Preparing:
    view: int = 768  # pixels of the longer side at which the photo's body is looked at
    margin: float = 0.012  # of the longer side, round the person, that is painted over too


@dataclass(frozen=True)
class Rendering:
    view: int = 400  # pixels of the longer side at which the generator draws, at most
    margin: float = 0.08  # of the body's extent, round it, for hair and cloth


def look(model: BodyModel, rasterize: Rasterizer, body: Body, camera: Camera, size: tuple[int, int]) -> View:
    """A posed body as a camera sees it, at (height, width)."""
    return shown(model(body), model, rasterize, camera, size)


def shown(
    points: tuple[Tensor, Tensor], model: BodyModel, rasterize: Rasterizer, camera: Camera, size: tuple[int, int]
) -> View:
    """Vertices and joints of a posed body as a camera sees them."""
    vertices, joints = points
    corners = project(vertices, camera)[:, model.faces]  # [B, F, 3, 3]
    return View(corners, project(joints, camera)[..., :2], rasterize(corners, size))


def prepare(
    photos: Float[Tensor, "N 3 H W"],
    seen: Sequence[Sighting],
    fitter: Fitter,
    rasterize: Rasterizer,
    how: Preparing = Preparing(),
) -> tuple[Source, BodyModel]:
    """The person of some photos, `seen` once in each; and the body model in their clothes."""
    size = (photos.shape[2], photos.shape[3])
    found = cat([next(fit(iter([one]), fitter, size)) for one in seen])
    body = replace(found.body, shape=found.body.shape.mean(0, keepdim=True).expand(len(photos), -1))
    mattes = torch.stack([matte_of(photo, one) for photo, one in zip(photos, seen, strict=True)])
    model = dress(cast(Skinned, fitter.rig.model), body, found.camera, mattes)
    scale = min(1.0, how.view / max(size))
    dressed = cast(BodyModel, model)
    view = look(dressed, rasterize, body, found.camera, (round(size[0] * scale), round(size[1] * scale)))
    return Source(photos, mattes, without_person(photos, mattes, how.margin), body, found.camera, view), dressed


def without_person(
    photos: Float[Tensor, "N 3 H W"], mattes: Float[Tensor, "N 1 H W"], margin: float
) -> Float[Tensor, "N 3 H W"]:
    """Photos, the person painted over with what is round about."""
    reach = max(3, round(margin * max(photos.shape[2:])))
    hidden = max_pool2d((mattes > 0.02).to(mattes), 2 * reach + 1, 1, reach)
    return behind(photos, hidden)


def palette(source: Source) -> Float[Tensor, "N 4 H W"]:
    """What is read from: the person's colours, spread beyond the edge, and the matte."""
    sure = ((source.matte - 0.5) / 0.45).clamp(0, 1)
    both = torch.cat([spread(source.image, sure), source.matte], 1)
    return both.contiguous(memory_format=torch.channels_last)  # a pixel's numbers are read together


class Render:
    """The stage that draws. It does not remember, and may be called from several threads at once."""

    def __init__(
        self,
        source: Source,
        model: BodyModel,
        generator: Generator,  # type: ignore[type-arg]
        rasterize: Rasterizer,
        how: Rendering = Rendering(),
    ) -> None:
        self.model, self.generator, self.rasterize, self.how = model, generator, rasterize, how
        self.code = generator.encode(source)
        self.palette = palette(source)

    def __call__(self, pair: tuple[Frames, Motion]) -> Frames:
        """The backgrounds, the person over each. Who is out of sight stands as he did last."""
        behind, motion = pair
        data = behind.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
        with torch.inference_mode():
            for t in range(len(motion)):
                self.draw(data[t], motion[t : t + 1])
        return Frames(data.permute(0, 3, 1, 2), behind.seconds)

    def draw(self, picture: UInt8[Tensor, "H W 3"], motion: Motion) -> None:
        """Draws into the picture itself."""
        size = (picture.shape[0], picture.shape[1])
        points = self.model(motion.body)
        window = around(project(points[0], motion.camera)[0, :, :2], size, self.how.margin)
        if window is None:
            return
        rows, columns = window
        part = picture[rows, columns]
        scale = min(1.0, self.how.view / max(part.shape[:2]))
        at = (max(8, round(part.shape[0] * scale)), max(8, round(part.shape[1] * scale)))
        view = shown(points, self.model, self.rasterize, cut(motion.camera, window, size), at)
        drawn = self.generator.draw(self.code, view)
        compose_into(part, drawn, self.palette)


def around(points: Float[Tensor, "V 2"], size: tuple[int, int], margin: float) -> tuple[slice, slice] | None:
    """Rows and columns of the picture that hold the points, with a margin; None if it holds none of them."""
    if not points.isfinite().all():
        return None
    half = points.new_tensor([size[1], size[0]]) / 2
    pixels = (points + 1) * half
    low, high = pixels.amin(0), pixels.amax(0)
    wide = margin * float((high - low).max())
    left, top = (low - wide).floor().clamp(min=0).tolist()
    right, bottom = torch.minimum((high + wide).ceil(), 2 * half).tolist()
    if right - left < 2 or bottom - top < 2:
        return None
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def cut(camera: Camera, window: tuple[slice, slice], size: tuple[int, int]) -> Camera:
    """The camera that sees a window of the picture only."""
    rows, columns = window
    share = camera.focal.new_tensor([(columns.stop - columns.start) / size[1], (rows.stop - rows.start) / size[0]])
    middle = camera.focal.new_tensor([(columns.start + columns.stop) / size[1], (rows.start + rows.stop) / size[0]]) - 1
    return replace(camera, focal=camera.focal / share, centre=(camera.centre - middle) / share)


def compose_into(picture: UInt8[Tensor, "h w C"], drawn: Drawn, palette: Float[Tensor, "N 4 H W"]) -> None:
    """The person over the picture itself, read from the photos at the picture's size. One of 4 channels has no
    background: it gets the person's colours and, as the fourth, how much each pixel is him."""
    if find_spec("numba") is None:
        colour, cover = compose(drawn, palette, (picture.shape[0], picture.shape[1]))
        clear = picture.shape[2] == 4
        under = picture.permute(2, 0, 1)[None, :3].float() / 255
        mixed = torch.cat([colour, cover], 1) if clear else colour * cover + under * (1 - cover)
        there = (cover > 0)[0, 0, ..., None]
        picture.copy_(torch.where(there, (mixed[0].permute(1, 2, 0) * 255 + 0.5).clamp(0, 255).to(picture), picture))
        return
    from motion_imitate.compose_numba import compose as compiled  # numba takes long to import, and may be missing

    parts = (drawn.colour[0], drawn.cover[0, 0], drawn.trim[0, 0], drawn.flow[0], drawn.trust[0])
    colours, covers, trim, flow, trust = (part.contiguous().numpy() for part in parts)
    compiled(picture.numpy(), colours, covers, trim, flow, trust, palette.permute(0, 2, 3, 1).contiguous().numpy())


def compose(
    drawn: Drawn, palette: Float[Tensor, "N 4 H W"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B 3 h w"], Float[Tensor, "B 1 h w"]]:
    """The person's colours at any size, read from the photos at that size; and how much each pixel is him."""

    def sized(x: Tensor) -> Tensor:
        return x if x.shape[2:] == size else resized(x, size, mode="bilinear", align_corners=False)

    trusts, colour = sized(drawn.trust), sized(drawn.colour)
    person, matte, total = torch.zeros_like(colour), colour.new_zeros(()), colour.new_zeros(())
    for way in drawn.trust.amax((0, 2, 3)).nonzero()[:, 0].tolist():
        flow, part = resize(drawn.flow[:, way], drawn.trust[:, way] > 0, size)
        trust = (trusts[:, way] * (part > 0))[:, None]
        read = warp(palette[way % len(palette)].expand(len(flow), -1, -1, -1), flow)
        person, matte, total = person + trust * read[:, :3], matte + trust * read[:, 3:], total + trust
    cover = sized(drawn.cover) * (1 - sized(drawn.trim) * (1 - matte / total.clamp(min=1e-6)))
    return person + (1 - total).clamp(min=0) * colour, cover
