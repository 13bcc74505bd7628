"""Fast renderer of actors: one raster per view at twice the resolution, one key light, a sky and a floor.

Samples are half a pixel apart, and every second one is at a pixel centre, so ground truth there is exact.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.synthesis.actor import Actor, TextureAtlas
from motion_imitate.synthesis.lamp import SceneLight, ShadowMap, half_vector, render_shadow_map
from motion_imitate.types import Camera, Raster

OCCLUDING_ALPHA = 0.5  # alpha above which hair hides what is behind it
SHEER_DEPTH_SLACK = 0.004  # metres that hair, brows and lashes may lie below the skin
SHADOW_BIAS = 0.008  # metres a point is lifted before the shadow lookup


@dataclass(frozen=True)
class RenderedViews:
    """Rendered views, and what each pixel's centre shows."""

    colour: Float[Tensor, "B 3 H W"]  # over black
    cover: Float[Tensor, "B 1 H W"]
    at: Float[Tensor, "B N 3"]  # vertices in camera space
    marks: Float[Tensor, "B M 3"]
    raster: Raster  # at pixel centres
    depth: Float[Tensor, "B h w"]  # at all samples


@dataclass(frozen=True)
class SampleHits:
    """Samples that hit a face."""

    view: Int[Tensor, " P"]
    index: Int[Tensor, " P"]  # flat sample index over all views
    face: Int[Tensor, " P"]
    weights: Float[Tensor, "P 3"]


def render_actor(
    actor: Actor,
    at: Float[Tensor, "B N 3"],
    normals: Float[Tensor, "B N 3"],
    marks: Tensor,
    camera: Camera,
    light: SceneLight,
    size: tuple[int, int],
) -> RenderedViews:
    """Render the actor; `at`, `normals` and `marks` are in body space with the root rotated."""
    flip = at.new_tensor([1.0, -1.0, -1.0])
    at, normals, marks = body_to_camera(at, camera), normals * flip, body_to_camera(marks, camera)
    fine = (2 * size[0] + 1, 2 * size[1] + 1)
    corners = to_sample_grid(camera_to_image(at, camera), size)[:, actor.faces]
    raster = rasterize(corners[:, : actor.sheer].contiguous(), fine)
    shadow = render_shadow_map(actor, at, light)
    level = choose_mip_levels(actor, at, camera, fine[1])
    hits = find_sample_hits(raster)
    _, glow = shade_samples(actor, at, normals, hits, light, shadow, level)
    light_, cover = at.new_zeros(raster.face.numel(), 3), (raster.face.flatten() >= 0).to(at)
    light_[hits.index] = glow
    if actor.sheer < len(actor.faces):
        raster = blend_sheer_faces(actor, at, normals, corners, raster, (light_, cover), light, shadow, level)
    colour, alpha = resolve_pixels(light_.view(len(at), *fine, 3), cover.view(len(at), *fine))
    middle = raster.map(lambda t: t[:, 1::2, 1::2])
    return RenderedViews(colour, alpha, at, marks, middle, raster.depth)


def to_sample_grid(points: Float[Tensor, "B N 3"], size: tuple[int, int]) -> Float[Tensor, "B N 3"]:
    """Image points rescaled to the sample grid, where sample 2 i + 1 is the centre of pixel i."""
    full = points.new_tensor([size[1], size[0], 0]) * 2
    grow = points.new_tensor([full[0] / (full[0] + 1), full[1] / (full[1] + 1), 1])
    return points * grow


def average_samples(samples: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    """Pixels as weighted means of 3 x 3 samples; the centre counts most."""
    rows = 0.25 * (samples[:, :, :-2:2] + samples[:, :, 2::2]) + 0.5 * samples[:, :, 1:-1:2]
    return 0.25 * (rows[..., :-2:2] + rows[..., 2::2]) + 0.5 * rows[..., 1:-1:2]


def resolve_pixels(
    glow: Float[Tensor, "B h w 3"], cover: Float[Tensor, "B h w"]
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
    """Pixel colours and coverage from samples; see `average_samples`."""
    if not is_compiled(glow):
        return average_samples(glow.permute(0, 3, 1, 2)), average_samples(cover[:, None])
    from motion_imitate.synthesis.shader_numba import resolve_pixels_numba

    size = (cover.shape[1] // 2, cover.shape[2] // 2)
    colour, alpha = torch.empty(len(cover), 3, *size), torch.empty(len(cover), *size)
    resolve_pixels_numba(glow.numpy(), cover.numpy(), colour.numpy(), alpha.numpy())
    return colour, alpha[:, None]


def is_compiled(values: Tensor) -> bool:
    """Whether to use the numba kernels."""
    return values.device.type == "cpu"


def find_sample_hits(raster: Raster, first: int = 0) -> SampleHits:
    """The samples of a raster that hit a face; `first` is added to face numbers."""
    index = (raster.face.flatten() >= 0).nonzero()[:, 0]
    view = index // raster.face[0].numel()
    return SampleHits(view, index, raster.face.flatten()[index] + first, raster.weights.flatten(0, 2)[index])


def choose_mip_levels(actor: Actor, at: Float[Tensor, "B N 3"], camera: Camera, wide: int) -> Int[Tensor, "B P"]:
    """For each view and piece, the mip level with about one texel per sample."""
    per_metre = camera.focal[:, 0] * wide / 2 / at[..., 2].mean(1).clamp(min=0.3)
    level = (actor.heap.dense / per_metre[:, None]).log2().round().long()
    return level.clamp(0, actor.heap.table.shape[1] - 1)


def shade_samples(
    actor: Actor,
    at: Tensor,
    normals: Tensor,
    hits: SampleHits,
    light: SceneLight,
    shadow: ShadowMap | None,
    level: Tensor,
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P 3"]]:
    """Texture alpha and image values of each hit."""
    way = shade_with_numba if is_compiled(at) else shade_with_torch
    return way(actor, at, normals, hits, light, shadow, level)


def shade_with_numba(
    actor: Actor,
    at: Tensor,
    normals: Tensor,
    hits: SampleHits,
    light: SceneLight,
    shadow: ShadowMap | None,
    level: Tensor,
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P 3"]]:
    """`shade_samples` with the numba kernel."""
    from motion_imitate.synthesis.shader_numba import TONE_TABLE_MAX, TONE_TABLE_SIZE, shade_samples_numba

    linear, curve = (
        (torch.arange(256) / 255) ** 2.2,
        tone_map_shader(torch.linspace(0, float(TONE_TABLE_MAX), TONE_TABLE_SIZE)),
    )
    alpha, glow = torch.empty(len(hits.face)), torch.empty(len(hits.face), 3)
    none = ShadowMap(torch.zeros(3, 3), at[:, 0], at[:, 0, 0], at[:, :2, :2])
    cast = none if shadow is None else shadow
    lamp_ = torch.stack([light.towards, half_vector(light), light.key, light.sky, light.floor])
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
    shade_samples_numba(dark, SHADOW_BIAS, *arrays)
    return alpha, glow


def shade_with_torch(
    actor: Actor,
    at: Tensor,
    normals: Tensor,
    hits: SampleHits,
    light: SceneLight,
    shadow: ShadowMap | None,
    level: Tensor,
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P 3"]]:
    """`shade_samples` in plain PyTorch; the reference for the numba kernel."""
    corner = actor.faces[hits.face] + (hits.view * at.shape[1])[:, None]
    both = torch.cat([at.flatten(0, 1), normals.flatten(0, 1)], 1)
    spot = (both[corner] * hits.weights[..., None]).sum(1)
    place, normal = spot[:, :3], normalize(spot[:, 3:], dim=1)
    away = (normal * place).sum(1, keepdim=True) > 0
    normal = torch.where(away, -normal, normal)
    piece = actor.piece[hits.face]
    uv = (actor.uv[hits.face] * hits.weights[..., None]).sum(1)
    texel = fetch_texels(actor.heap, piece, level[hits.view, piece], uv)
    wrap = actor.wrap[piece]
    facing = (normal @ light.towards)[:, None]
    key = ((facing + wrap) / (1 + wrap)).clamp(min=0)
    power, sharp = actor.gloss[piece].unbind(1)
    glint = (power * (sharp + 8) / 8) * ((normal @ half_vector(light)).clamp(min=0) ** sharp) * (facing[:, 0] > 0)
    if shadow is not None:
        free = 1 - light.shade * shadow.blocked_share(place + SHADOW_BIAS * normal, hits.view)[:, None]
        key, glint = key * free, glint * free[:, 0]
    up = 0.5 - 0.5 * normal[:, 1:2]
    incoming = key * light.key + up * light.sky + (1 - up) * light.floor
    glow = texel[:, :3] ** 2.2 * incoming + glint[:, None] * light.key
    return texel[:, 3], tone_map_shader(glow)


def tone_map_shader(light: Tensor) -> Tensor:
    """Image values from linear light; highlights above 0.8 are compressed towards white."""
    soft = 1 - 0.2 * torch.exp(-(light - 0.8) / 0.2)
    return torch.where(light > 0.8, soft, light).clamp(min=1e-5) ** (1 / 2.2)


def fetch_texels(
    heap: TextureAtlas, piece: Int[Tensor, " P"], level: Int[Tensor, " P"], uv: Float[Tensor, "P 2"]
) -> Float[Tensor, "P 4"]:
    """Nearest texels as RGBA in [0, 1]; textures repeat."""
    start, height, width = heap.table[piece, level].unbind(1)
    part = uv - uv.floor()
    column = (part[:, 0] * width).long().clamp(max=width - 1)
    row = ((1 - part[:, 1]) * height).long().clamp(max=height - 1)
    return heap.texels[start + row * width + column].float() / 255


def blend_sheer_faces(
    actor: Actor,
    at: Tensor,
    normals: Tensor,
    corners: Tensor,
    solid: Raster,
    under: tuple[Tensor, Tensor],
    light: SceneLight,
    shadow: ShadowMap | None,
    level: Tensor,
) -> Raster:
    """Blend transparent faces over solid ones, in place.

    Returns the raster in which sufficiently opaque faces replace what is behind them.
    """
    glow, cover = under
    fine = (solid.face.shape[1], solid.face.shape[2])
    veil = rasterize(corners[:, actor.sheer :].contiguous(), fine)
    hits = find_sample_hits(veil, actor.sheer)
    near = veil.depth.flatten()[hits.index] < solid.depth.flatten()[hits.index] + SHEER_DEPTH_SLACK
    hits = SampleHits(hits.view[near], hits.index[near], hits.face[near], hits.weights[near])
    opaque, over = shade_samples(actor, at, normals, hits, light, shadow, level)
    alpha = opaque[:, None]
    glow[hits.index] = glow[hits.index] * (1 - alpha) + over * alpha
    cover[hits.index] = cover[hits.index] * (1 - alpha[:, 0]) + alpha[:, 0]
    hides = alpha[:, 0] > OCCLUDING_ALPHA
    index = hits.index[hides]
    face, weights, depth = (
        solid.face.flatten().clone(),
        solid.weights.flatten(0, 2).clone(),
        solid.depth.flatten().clone(),
    )
    face[index], weights[index], depth[index] = hits.face[hides], hits.weights[hides], veil.depth.flatten()[index]
    return Raster(face.view_as(solid.face), weights.view_as(solid.weights), depth.view_as(solid.depth))
