"""High-quality renderer of synthetic people in front of a paper backdrop that curves from floor to wall."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.geometry.raster import PAIRS_PER_CHUNK, face_pixel_boxes, perspective_weights, rasterize, to_pixels
from motion_imitate.synthesis.light import (
    FINISHES,
    LitPoints,
    StudioLights,
    StudioRays,
    build_studio_rays,
    linear_light,
    shade_points,
    tone_map_studio,
)
from motion_imitate.synthesis.person import DressedPerson, sample_texture
from motion_imitate.types import Camera

CHUNK = 1 << 17  # points shaded at once


@dataclass(frozen=True)
class StudioSettings:
    """The paper backdrop, and the quality of the rendering."""

    paper: tuple[float, float, float] = (0.80, 0.81, 0.82)
    wall: float = 1.7  # metres behind the person
    bend: float = 1.0  # radius of the paper's curve
    over: int = 3  # sample rows and columns per pixel
    clear: float = 0.03  # alpha below which nothing is drawn
    layers: int = 8  # most transparent layers per sample
    near: float = 0.001  # metres that hair, brows and lashes may lie below the skin


@dataclass(frozen=True)
class StudioPhoto:
    """A rendered photo with its matte."""

    image: Float[Tensor, "3 H W"]
    cover: Float[Tensor, "1 H W"]  # share of each pixel covered by the person


@dataclass(frozen=True)
class PosedSitter:
    """A posed person in front of a camera."""

    person: DressedPerson
    at: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    corners: Float[Tensor, "F 3 3"]  # as in `types.View`
    eye: Float[Tensor, "3"]  # camera position in body space


@torch.no_grad()
def photograph_person(
    person: DressedPerson,
    pose: Float[Tensor, "J 3 3"],
    camera: Camera,
    size: tuple[int, int],
    how: StudioSettings = StudioSettings(),
    lights: StudioLights = StudioLights(),
) -> StudioPhoto:
    """Render a photo of (height, width).

    The floor is at the lowest vertex; there is one camera, and the root is not moved.
    """
    at = person(pose[None])[0]
    corners = camera_to_image(body_to_camera(at[None], camera), camera)[0][person.faces]
    eye = -camera.place[0] * camera.place.new_tensor([1.0, -1.0, -1.0])
    sitter = PosedSitter(person, at, vertex_normals(at[None], person.faces)[0], corners, eye)
    solid = at[person.faces[shadow_casting_faces(person)]]
    rays = build_studio_rays(solid, lights)
    height, width = (n * how.over for n in size)
    light, cover = render_sitter(sitter, rays, (height, width), how)
    light = light.view(size[0], how.over, size[1], how.over, 3).mean((1, 3))
    cover = cover.view(size[0], how.over, size[1], how.over).mean((1, 3))
    behind = render_paper(camera, eye, float(at[:, 1].min()), rays, size, how)
    image = tone_map_studio(light + (1 - cover)[..., None] * behind)
    return StudioPhoto(image.permute(2, 0, 1), cover[None])


def shadow_casting_faces(person: DressedPerson) -> Tensor:
    """Mask of the faces that cast shadows: those more than half opaque."""
    alpha = torch.ones(len(person.faces))
    for number, texture in enumerate(person.textures):
        mine = (person.piece == number) & person.sheer
        if mine.any():
            alpha[mine] = sample_texture(texture[3:], person.uv[mine].mean(1))[:, 0]
    return alpha > 0.5


def render_sitter(
    sitter: PosedSitter, rays: StudioRays, size: tuple[int, int], how: StudioSettings
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, " P"]]:
    """Light and coverage of every sample in row order: solid faces first, then transparent ones over them."""
    person = sitter.person
    solid = (~person.sheer).nonzero()[:, 0]
    raster = rasterize(sitter.corners[None, solid], size)
    seen = raster.face.flatten() >= 0
    depth = raster.depth.flatten()
    light, cover = torch.zeros(len(seen), 3), seen.float()
    light[seen] = shade_face_points(
        sitter, solid[raster.face.flatten()[seen]], raster.weights.flatten(0, 2)[seen], rays
    )[0]
    face, pixel, weights = find_sheer_hits(sitter, depth, size, how)
    glow, alpha = shade_face_points(sitter, face, weights, rays)
    return composite_layers(light, cover, pixel, glow, alpha, how.layers)


def shade_face_points(
    sitter: PosedSitter, face: Int[Tensor, " P"], weights: Float[Tensor, "P 3"], rays: StudioRays
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, " P"]]:
    """Light and alpha of points on faces, in chunks."""
    light, alpha = torch.zeros(len(face), 3), torch.zeros(len(face))
    for start in range(0, len(face), CHUNK):
        part = slice(start, start + CHUNK)
        spots, alpha[part] = gather_surface_points(sitter, face[part], weights[part])
        light[part] = shade_points(spots, rays)
    return light, alpha


def gather_surface_points(
    sitter: PosedSitter, face: Int[Tensor, " P"], weights: Float[Tensor, "P 3"]
) -> tuple[LitPoints, Float[Tensor, " P"]]:
    """Surface points on faces, and their alpha; faces are two-sided."""
    person = sitter.person
    corner = person.faces[face]
    place = (sitter.at[corner] * weights[..., None]).sum(1)
    ahead = normalize(sitter.eye - place, dim=1)
    normal = normalize((sitter.normals[corner] * weights[..., None]).sum(1), dim=1)
    normal = torch.where((normal * ahead).sum(1, keepdim=True) < 0, -normal, normal)
    colour = sample_face_colours(person, face, weights)
    finish = [FINISHES[kind] for kind in person.kinds]
    piece = person.piece[face]
    wrap = torch.tensor([f.wrap for f in finish])[piece]
    gloss = torch.tensor([(f.gloss, f.sharp) for f in finish])[piece]
    return LitPoints(place, normal, linear_light(colour[:, :3]), ahead, wrap, gloss), colour[:, 3]


def sample_face_colours(
    person: DressedPerson, face: Int[Tensor, " P"], weights: Float[Tensor, "P 3"]
) -> Float[Tensor, "P 4"]:
    """Texture colours (RGBA) of points on faces."""
    uv = (person.uv[face] * weights[..., None]).sum(1)
    piece = person.piece[face]
    colour = torch.zeros(len(face), 4)
    for number, texture in enumerate(person.textures):
        mine = piece == number
        if mine.any():
            colour[mine] = sample_texture(texture, uv[mine])
    return colour


def find_sheer_hits(
    sitter: PosedSitter, depth: Float[Tensor, " P"], size: tuple[int, int], how: StudioSettings
) -> tuple[Int[Tensor, " Q"], Int[Tensor, " Q"], Float[Tensor, "Q 3"]]:
    """Samples where transparent faces lie in front of solid ones.

    Returns face, sample and weights, ordered by sample and from near to far.
    """
    those = sitter.person.sheer.nonzero()[:, 0]
    pixels = to_pixels(sitter.corners[those], size)
    start, counts = face_pixel_boxes(pixels, size)
    ends = counts.prod(1).cumsum(0)
    found = []
    for first in range(0, int(ends[-1]) if len(ends) else 0, PAIRS_PER_CHUNK):
        pair = torch.arange(first, min(first + PAIRS_PER_CHUNK, int(ends[-1])))
        which = torch.searchsorted(ends, pair, right=True)
        inside = pair - (ends[which] - counts[which].prod(1))
        column = start[which, 0] + inside % counts[which, 0]
        row = start[which, 1] + inside // counts[which, 0]
        edge, share, z = perspective_weights(pixels[which], torch.stack([column, row], -1) + 0.5)
        pixel = row * size[1] + column
        hit = ((edge >= 0).all(1) | (edge <= 0).all(1)) & (z > 0) & (z < depth[pixel] + how.near)
        weights = share[hit] / share[hit].sum(1, keepdim=True)
        face = those[which[hit]]
        alpha = sample_face_colours(sitter.person, face, weights)[:, 3]
        there = alpha > how.clear
        found.append((face[there], pixel[hit][there], weights[there], z[hit][there], alpha[there]))
    if not found:
        return those[:0], those[:0], depth.new_zeros(0, 3)
    face, pixel, weights, z, alpha = (torch.cat(part) for part in zip(*found, strict=True))
    order = z.argsort()
    order = order[pixel[order].argsort(stable=True)]
    order = order[visible_layers(pixel[order], alpha[order], how)]
    return face[order], pixel[order], weights[order]


def visible_layers(pixel: Int[Tensor, " Q"], alpha: Float[Tensor, " Q"], how: StudioSettings) -> Bool[Tensor, " Q"]:
    """Which of the layers, sorted from near to far, are visible through those in front of them."""
    rank, seen = rank_in_group(pixel), torch.zeros(len(pixel), dtype=torch.bool)
    through = torch.ones(int(pixel.max()) + 1 if len(pixel) else 0)
    for layer in range(how.layers):
        mine = rank == layer
        seen[mine] = through[pixel[mine]] > how.clear
        through[pixel[mine]] *= 1 - alpha[mine]
    return seen


def rank_in_group(sorted_values: Int[Tensor, " Q"]) -> Int[Tensor, " Q"]:
    """For sorted values, how many equal ones come before each."""
    place = torch.arange(len(sorted_values))
    _, counts = sorted_values.unique_consecutive(return_counts=True)
    return place - (counts.cumsum(0) - counts).repeat_interleave(counts)


def composite_layers(
    light: Float[Tensor, "P 3"],
    cover: Float[Tensor, " P"],
    pixel: Int[Tensor, " Q"],
    glow: Float[Tensor, "Q 3"],
    alpha: Float[Tensor, " Q"],
    layers: int,
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, " P"]]:
    """Composite layers, sorted from near to far, over the solid surface."""
    rank = rank_in_group(pixel)
    for layer in reversed(range(layers)):
        mine = rank == layer
        at, share = pixel[mine], alpha[mine]
        light[at] = light[at] * (1 - share[:, None]) + glow[mine] * share[:, None]
        cover[at] = cover[at] * (1 - share) + share
    return light, cover


def render_paper(
    camera: Camera, eye: Float[Tensor, "3"], ground: float, rays: StudioRays, size: tuple[int, int], how: StudioSettings
) -> Float[Tensor, "H W 3"]:
    """Light of the paper, rendered at half size and blurred to hide the shadows of single rays."""
    height, width = (max(n // 2, 1) for n in size)
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) / height * 2 - 1, (torch.arange(width) + 0.5) / width * 2 - 1, indexing="ij"
    )
    flat = (torch.stack([x, y], -1) - camera.centre[0]) / camera.focal[0]
    ahead = torch.stack([flat[..., 0], -flat[..., 1], -torch.ones_like(x)], -1).view(-1, 3)
    light = torch.zeros(len(ahead), 3)
    for start in range(0, len(ahead), CHUNK):
        at, normal = intersect_paper(eye, ahead[start : start + CHUNK], ground, how)
        some = (len(at), 3)
        spots = LitPoints(at, normal, linear_light(torch.tensor(how.paper)).expand(some), -ahead[start : start + CHUNK],
                      torch.zeros(some), torch.tensor([0.0, 1.0]).expand(len(at), 2))  # fmt: skip
        light[start : start + CHUNK] = shade_points(spots, rays)
    small = gaussian_blur2d(light.view(1, height, width, 3).permute(0, 3, 1, 2), (13, 13), (3.0, 3.0), "replicate")
    return interpolate(small, size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)


def intersect_paper(
    eye: Float[Tensor, "3"], ahead: Float[Tensor, "P 3"], ground: float, how: StudioSettings
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, "P 3"]]:
    """Where lines of sight meet the paper, and its normals there."""
    edge, top = how.bend - how.wall, ground + how.bend  # where floor and wall end and the curve begins
    down = ahead[:, 1].clamp(max=-1e-6)
    floor = (ground - eye[1]) / down
    wall = (-how.wall - eye[2]) / ahead[:, 2]
    flat = ahead[:, 1:]
    from_middle = eye[1:] - eye.new_tensor([top, edge])
    a, b, c = (flat**2).sum(1), (flat * from_middle).sum(1), (from_middle**2).sum() - how.bend**2
    curve = (-b + (b * b - a * c).clamp(min=0).sqrt()) / a
    on_floor = (eye[2] + floor * ahead[:, 2] > edge) & (ahead[:, 1] < 0)
    on_wall = eye[1] + wall * ahead[:, 1] > top
    way = torch.where(on_floor, floor, torch.where(on_wall, wall, curve))
    at = eye + way[:, None] * ahead
    bent = torch.cat([torch.zeros(len(at), 1), (at.new_tensor([top, edge]) - at[:, 1:]) / how.bend], 1)
    normal = torch.where(on_wall[:, None], at.new_tensor([0, 0, 1.0]), bent)
    return at, torch.where(on_floor[:, None], at.new_tensor([0, 1.0, 0]), normal)
