"""Draws actors quickly: one raster a view, at twice the size, one lamp, a bright sky and a floor.

Samples lie half a pixel apart, every other one of them in the middle of a pixel: what is true there is known exactly.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.camera import to_camera, to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.synthesis.actor import Actor, Heap
from motion_imitate.synthesis.lamp import Glare, Shadow, halfway, lamp
from motion_imitate.types import Camera, Raster

SHEER = 0.5  # least alpha at which hair hides what is behind it
NEAR = 0.004  # metres that hair, brows and lashes may lie in the skin
GLOW = 0.008  # metres a spot is lifted before it is asked what shades it


@dataclass(frozen=True)
class Shot:
    """What was drawn of each view, and what each pixel's middle shows."""

    colour: Float[Tensor, "B 3 H W"]  # over black
    cover: Float[Tensor, "B 1 H W"]
    at: Float[Tensor, "B N 3"]  # vertices in camera space
    marks: Float[Tensor, "B M 3"]
    raster: Raster  # of pixels' middles
    depth: Float[Tensor, "B h w"]  # of all samples


@dataclass(frozen=True)
class Hits:
    """Samples that see a face."""

    view: Int[Tensor, " P"]
    index: Int[Tensor, " P"]  # of the sample, of all views
    face: Int[Tensor, " P"]
    weights: Float[Tensor, "P 3"]


def shoot(
    actor: Actor,
    at: Float[Tensor, "B N 3"],
    normals: Float[Tensor, "B N 3"],
    marks: Tensor,
    camera: Camera,
    light: Glare,
    size: tuple[int, int],
) -> Shot:
    """`at`, `normals` and `marks` in body space, the root turned."""
    flip = at.new_tensor([1.0, -1.0, -1.0])
    at, normals, marks = to_camera(at, camera), normals * flip, to_camera(marks, camera)
    fine = (2 * size[0] + 1, 2 * size[1] + 1)
    corners = between_pixels(to_image(at, camera), size)[:, actor.faces]
    raster = rasterize(corners[:, : actor.sheer].contiguous(), fine)
    shadow = lamp(actor, at, light)
    level = levels(actor, at, camera, fine[1])
    hits = found(raster)
    _, glow = shaded(actor, at, normals, hits, light, shadow, level)
    light_, cover = at.new_zeros(raster.face.numel(), 3), (raster.face.flatten() >= 0).to(at)
    light_[hits.index] = glow
    if actor.sheer < len(actor.faces):
        raster = veiled(actor, at, normals, corners, raster, (light_, cover), light, shadow, level)
    colour, alpha = pixels(light_.view(len(at), *fine, 3), cover.view(len(at), *fine))
    middle = raster.map(lambda t: t[:, 1::2, 1::2])
    return Shot(colour, alpha, at, marks, middle, raster.depth)


def between_pixels(points: Float[Tensor, "B N 3"], size: tuple[int, int]) -> Float[Tensor, "B N 3"]:
    """Image points of the larger picture of samples: sample 2 i + 1 is the middle of pixel i."""
    full = points.new_tensor([size[1], size[0], 0]) * 2
    grow = points.new_tensor([full[0] / (full[0] + 1), full[1] / (full[1] + 1), 1])
    return points * grow


def gathered(samples: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    """Pixels: the samples in and about them, the middle one counts most."""
    rows = 0.25 * (samples[:, :, :-2:2] + samples[:, :, 2::2]) + 0.5 * samples[:, :, 1:-1:2]
    return 0.25 * (rows[..., :-2:2] + rows[..., 2::2]) + 0.5 * rows[..., 1:-1:2]


def pixels(
    glow: Float[Tensor, "B h w 3"], cover: Float[Tensor, "B h w"]
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
    """`gathered`, of colours and of cover."""
    if not is_compiled(glow):
        return gathered(glow.permute(0, 3, 1, 2)), gathered(cover[:, None])
    from motion_imitate.synthesis.shader_numba import gather

    size = (cover.shape[1] // 2, cover.shape[2] // 2)
    colour, alpha = torch.empty(len(cover), 3, *size), torch.empty(len(cover), *size)
    gather(glow.numpy(), cover.numpy(), colour.numpy(), alpha.numpy())
    return colour, alpha[:, None]


def is_compiled(values: Tensor) -> bool:
    return values.device.type == "cpu" and find_spec("numba") is not None


def found(raster: Raster, first: int = 0) -> Hits:
    index = (raster.face.flatten() >= 0).nonzero()[:, 0]
    view = index // raster.face[0].numel()
    return Hits(view, index, raster.face.flatten()[index] + first, raster.weights.flatten(0, 2)[index])


def levels(actor: Actor, at: Float[Tensor, "B N 3"], camera: Camera, wide: int) -> Int[Tensor, "B P"]:
    """Which level of each texture has about a texel to a sample."""
    per_metre = camera.focal[:, 0] * wide / 2 / at[..., 2].mean(1).clamp(min=0.3)
    level = (actor.heap.dense / per_metre[:, None]).log2().round().long()
    return level.clamp(0, actor.heap.table.shape[1] - 1)


def shaded(
    actor: Actor, at: Tensor, normals: Tensor, hits: Hits, light: Glare, shadow: Shadow | None, level: Tensor
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P 3"]]:
    """The texture's alpha, and the light that comes of it as numbers of a picture."""
    way = shaded_numba if is_compiled(at) else shaded_torch
    return way(actor, at, normals, hits, light, shadow, level)


def shaded_numba(
    actor: Actor, at: Tensor, normals: Tensor, hits: Hits, light: Glare, shadow: Shadow | None, level: Tensor
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P 3"]]:
    from motion_imitate.synthesis.shader_numba import (  # numba takes long to import, and may be missing
        STEPS,
        TOP,
        shade,
    )

    linear, curve = (torch.arange(256) / 255) ** 2.2, shown(torch.linspace(0, float(TOP), STEPS))
    alpha, glow = torch.empty(len(hits.face)), torch.empty(len(hits.face), 3)
    none = Shadow(torch.zeros(3, 3), at[:, 0], at[:, 0, 0], at[:, :2, :2])
    cast = none if shadow is None else shadow
    lamp_ = torch.stack([light.towards, halfway(light), light.key, light.sky, light.floor])
    heap, dark = actor.heap, 0.0 if shadow is None else light.shade
    given = [hits.view, hits.face, hits.weights, at, normals, actor.faces, actor.uv, actor.piece, heap.table, level]
    given += [
        heap.texels,
        linear,
        curve,
        actor.wrap,
        actor.gloss,
        lamp_,
        cast.axes,
        cast.middle,
        cast.reach,
        cast.depth,
    ]
    arrays = [x.contiguous().numpy() for x in (*given, glow, alpha)]
    shade(dark, GLOW, *arrays)
    return alpha, glow


def shaded_torch(
    actor: Actor, at: Tensor, normals: Tensor, hits: Hits, light: Glare, shadow: Shadow | None, level: Tensor
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P 3"]]:
    corner = actor.faces[hits.face] + (hits.view * at.shape[1])[:, None]
    both = torch.cat([at.flatten(0, 1), normals.flatten(0, 1)], 1)
    spot = (both[corner] * hits.weights[..., None]).sum(1)
    place, normal = spot[:, :3], normalize(spot[:, 3:], dim=1)
    away = (normal * place).sum(1, keepdim=True) > 0
    normal = torch.where(away, -normal, normal)
    piece = actor.piece[hits.face]
    uv = (actor.uv[hits.face] * hits.weights[..., None]).sum(1)
    texel = fetched(actor.heap, piece, level[hits.view, piece], uv)
    wrap = actor.wrap[piece]
    facing = (normal @ light.towards)[:, None]
    key = ((facing + wrap) / (1 + wrap)).clamp(min=0)
    power, sharp = actor.gloss[piece].unbind(1)
    glint = (power * (sharp + 8) / 8) * ((normal @ halfway(light)).clamp(min=0) ** sharp) * (facing[:, 0] > 0)
    if shadow is not None:
        free = 1 - light.shade * shadow.dark(place + GLOW * normal, hits.view)[:, None]
        key, glint = key * free, glint * free[:, 0]
    up = 0.5 - 0.5 * normal[:, 1:2]
    incoming = key * light.key + up * light.sky + (1 - up) * light.floor
    glow = texel[:, :3] ** 2.2 * incoming + glint[:, None] * light.key
    return texel[:, 3], shown(glow)


def shown(light: Tensor) -> Tensor:
    """Numbers of a picture; what is brighter than 0.8 comes near white softly."""
    soft = 1 - 0.2 * torch.exp(-(light - 0.8) / 0.2)
    return torch.where(light > 0.8, soft, light).clamp(min=1e-5) ** (1 / 2.2)


def fetched(
    heap: Heap, piece: Int[Tensor, " P"], level: Int[Tensor, " P"], uv: Float[Tensor, "P 2"]
) -> Float[Tensor, "P 4"]:
    """The nearest texels; textures repeat."""
    start, height, width = heap.table[piece, level].unbind(1)
    part = uv - uv.floor()
    column = (part[:, 0] * width).long().clamp(max=width - 1)
    row = ((1 - part[:, 1]) * height).long().clamp(max=height - 1)
    return heap.texels[start + row * width + column].float() / 255


def veiled(
    actor: Actor,
    at: Tensor,
    normals: Tensor,
    corners: Tensor,
    solid: Raster,
    under: tuple[Tensor, Tensor],
    light: Glare,
    shadow: Shadow | None,
    level: Tensor,
) -> Raster:
    """Lays what has holes over what has none, in place; returns what is seen where hair hides what is behind it."""
    glow, cover = under
    fine = (solid.face.shape[1], solid.face.shape[2])
    veil = rasterize(corners[:, actor.sheer :].contiguous(), fine)
    hits = found(veil, actor.sheer)
    near = veil.depth.flatten()[hits.index] < solid.depth.flatten()[hits.index] + NEAR
    hits = Hits(hits.view[near], hits.index[near], hits.face[near], hits.weights[near])
    opaque, over = shaded(actor, at, normals, hits, light, shadow, level)
    alpha = opaque[:, None]
    glow[hits.index] = glow[hits.index] * (1 - alpha) + over * alpha
    cover[hits.index] = cover[hits.index] * (1 - alpha[:, 0]) + alpha[:, 0]
    hides = alpha[:, 0] > SHEER
    index = hits.index[hides]
    face, weights, depth = (
        solid.face.flatten().clone(),
        solid.weights.flatten(0, 2).clone(),
        solid.depth.flatten().clone(),
    )
    face[index], weights[index], depth[index] = hits.face[hides], hits.weights[hides], veil.depth.flatten()[index]
    return Raster(face.view_as(solid.face), weights.view_as(solid.weights), depth.view_as(solid.depth))
