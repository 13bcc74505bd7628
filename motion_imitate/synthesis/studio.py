"""Photographs made-up people on a sheet of paper that runs from the floor up the wall behind them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from motion_imitate.geometry.camera import to_camera, to_image
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.geometry.raster import AT_ONCE, boxes, pull, rasterize, to_pixels
from motion_imitate.synthesis.light import FINISHES, Lights, Rays, Spots, linear, lit, shone, shown
from motion_imitate.synthesis.person import Person, sample
from motion_imitate.types import Camera

CHUNK = 1 << 17  # spots lit at once


@dataclass(frozen=True)
class Studio:
    paper: tuple[float, float, float] = (0.80, 0.81, 0.82)
    wall: float = 1.7  # metres behind the person
    bend: float = 1.0  # radius of the paper's curve
    over: int = 3  # rows and columns of samples of each pixel
    clear: float = 0.03  # alpha that is not drawn
    layers: int = 8  # of hair in front of each other that are looked at
    near: float = 0.001  # metres that hair, brows and lashes may lie in the skin


@dataclass(frozen=True)
class Picture:
    image: Float[Tensor, "3 H W"]
    cover: Float[Tensor, "1 H W"]  # how much of each pixel is the person


@dataclass(frozen=True)
class Sitter:
    """A posed person before a camera."""

    person: Person
    at: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    corners: Float[Tensor, "F 3 3"]  # as `types.View` has them
    eye: Float[Tensor, "3"]  # where the camera is, in body space


@torch.no_grad()
def photograph(
    person: Person,
    pose: Float[Tensor, "J 3 3"],
    camera: Camera,
    size: tuple[int, int],
    how: Studio = Studio(),
    lights: Lights = Lights(),
) -> Picture:
    """A picture of (height, width); the floor is under the lower shoe, the camera is one, the root unmoved."""
    at = person(pose[None])[0]
    corners = to_image(to_camera(at[None], camera), camera)[0][person.faces]
    eye = -camera.place[0] * camera.place.new_tensor([1.0, -1.0, -1.0])
    sitter = Sitter(person, at, vertex_normals(at[None], person.faces)[0], corners, eye)
    solid = at[person.faces[dense_faces(person)]]
    rays = shone(solid, lights)
    height, width = (n * how.over for n in size)
    light, cover = drawn(sitter, rays, (height, width), how)
    light = light.view(size[0], how.over, size[1], how.over, 3).mean((1, 3))
    cover = cover.view(size[0], how.over, size[1], how.over).mean((1, 3))
    behind = backdrop(camera, eye, float(at[:, 1].min()), rays, size, how)
    image = shown(light + (1 - cover)[..., None] * behind)
    return Picture(image.permute(2, 0, 1), cover[None])


def dense_faces(person: Person) -> Tensor:
    """Faces that cast shadows: those of which more is there than not."""
    alpha = torch.ones(len(person.faces))
    for number, texture in enumerate(person.textures):
        mine = (person.piece == number) & person.sheer
        if mine.any():
            alpha[mine] = sample(texture[3:], person.uv[mine].mean(1))[:, 0]
    return alpha > 0.5


def drawn(
    sitter: Sitter, rays: Rays, size: tuple[int, int], how: Studio
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, " P"]]:
    """Light and cover of every sample, row by row: what is solid, then what is sheer over it."""
    person = sitter.person
    solid = (~person.sheer).nonzero()[:, 0]
    raster = rasterize(sitter.corners[None, solid], size)
    seen = raster.face.flatten() >= 0
    depth = raster.depth.flatten()
    light, cover = torch.zeros(len(seen), 3), seen.float()
    light[seen] = shaded(sitter, solid[raster.face.flatten()[seen]], raster.weights.flatten(0, 2)[seen], rays)[0]
    face, pixel, weights = sheer(sitter, depth, size, how)
    glow, alpha = shaded(sitter, face, weights, rays)
    return over(light, cover, pixel, glow, alpha, how.layers)


def shaded(
    sitter: Sitter, face: Int[Tensor, " P"], weights: Float[Tensor, "P 3"], rays: Rays
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, " P"]]:
    """Light and alpha of points on faces."""
    light, alpha = torch.zeros(len(face), 3), torch.zeros(len(face))
    for start in range(0, len(face), CHUNK):
        part = slice(start, start + CHUNK)
        spots, alpha[part] = spots_of(sitter, face[part], weights[part])
        light[part] = lit(spots, rays)
    return light, alpha


def spots_of(
    sitter: Sitter, face: Int[Tensor, " P"], weights: Float[Tensor, "P 3"]
) -> tuple[Spots, Float[Tensor, " P"]]:
    """What light finds at points on faces, and their alpha. Faces have two sides alike."""
    person = sitter.person
    corner = person.faces[face]
    place = (sitter.at[corner] * weights[..., None]).sum(1)
    ahead = normalize(sitter.eye - place, dim=1)
    normal = normalize((sitter.normals[corner] * weights[..., None]).sum(1), dim=1)
    normal = torch.where((normal * ahead).sum(1, keepdim=True) < 0, -normal, normal)
    colour = painted(person, face, weights)
    finish = [FINISHES[kind] for kind in person.kinds]
    piece = person.piece[face]
    wrap = torch.tensor([f.wrap for f in finish])[piece]
    gloss = torch.tensor([(f.gloss, f.sharp) for f in finish])[piece]
    return Spots(place, normal, linear(colour[:, :3]), ahead, wrap, gloss), colour[:, 3]


def painted(person: Person, face: Int[Tensor, " P"], weights: Float[Tensor, "P 3"]) -> Float[Tensor, "P 4"]:
    uv = (person.uv[face] * weights[..., None]).sum(1)
    piece = person.piece[face]
    colour = torch.zeros(len(face), 4)
    for number, texture in enumerate(person.textures):
        mine = piece == number
        if mine.any():
            colour[mine] = sample(texture, uv[mine])
    return colour


def sheer(
    sitter: Sitter, depth: Float[Tensor, " P"], size: tuple[int, int], how: Studio
) -> tuple[Int[Tensor, " Q"], Int[Tensor, " Q"], Float[Tensor, "Q 3"]]:
    """Where samples see sheer faces before what is solid: face, sample and weights, by sample and from near to far."""
    those = sitter.person.sheer.nonzero()[:, 0]
    pixels = to_pixels(sitter.corners[those], size)
    start, counts = boxes(pixels, size)
    ends = counts.prod(1).cumsum(0)
    found = []
    for first in range(0, int(ends[-1]) if len(ends) else 0, AT_ONCE):
        pair = torch.arange(first, min(first + AT_ONCE, int(ends[-1])))
        which = torch.searchsorted(ends, pair, right=True)
        inside = pair - (ends[which] - counts[which].prod(1))
        column = start[which, 0] + inside % counts[which, 0]
        row = start[which, 1] + inside // counts[which, 0]
        edge, share, z = pull(pixels[which], torch.stack([column, row], -1) + 0.5)
        pixel = row * size[1] + column
        hit = ((edge >= 0).all(1) | (edge <= 0).all(1)) & (z > 0) & (z < depth[pixel] + how.near)
        weights = share[hit] / share[hit].sum(1, keepdim=True)
        face = those[which[hit]]
        alpha = painted(sitter.person, face, weights)[:, 3]
        there = alpha > how.clear
        found.append((face[there], pixel[hit][there], weights[there], z[hit][there], alpha[there]))
    if not found:
        return those[:0], those[:0], depth.new_zeros(0, 3)
    face, pixel, weights, z, alpha = (torch.cat(part) for part in zip(*found, strict=True))
    order = z.argsort()
    order = order[pixel[order].argsort(stable=True)]
    order = order[in_sight(pixel[order], alpha[order], how)]
    return face[order], pixel[order], weights[order]


def in_sight(pixel: Int[Tensor, " Q"], alpha: Float[Tensor, " Q"], how: Studio) -> Bool[Tensor, " Q"]:
    """Which of the layers, sorted from near to far, are seen through those before them."""
    rank, seen = ranks(pixel), torch.zeros(len(pixel), dtype=torch.bool)
    through = torch.ones(int(pixel.max()) + 1 if len(pixel) else 0)
    for layer in range(how.layers):
        mine = rank == layer
        seen[mine] = through[pixel[mine]] > how.clear
        through[pixel[mine]] *= 1 - alpha[mine]
    return seen


def ranks(sorted_values: Int[Tensor, " Q"]) -> Int[Tensor, " Q"]:
    """How many equal ones come before each."""
    place = torch.arange(len(sorted_values))
    _, counts = sorted_values.unique_consecutive(return_counts=True)
    return place - (counts.cumsum(0) - counts).repeat_interleave(counts)


def over(
    light: Float[Tensor, "P 3"],
    cover: Float[Tensor, " P"],
    pixel: Int[Tensor, " Q"],
    glow: Float[Tensor, "Q 3"],
    alpha: Float[Tensor, " Q"],
    layers: int,
) -> tuple[Float[Tensor, "P 3"], Float[Tensor, " P"]]:
    """Layers, sorted from near to far, laid over what is solid."""
    rank = ranks(pixel)
    for layer in reversed(range(layers)):
        mine = rank == layer
        at, share = pixel[mine], alpha[mine]
        light[at] = light[at] * (1 - share[:, None]) + glow[mine] * share[:, None]
        cover[at] = cover[at] * (1 - share) + share
    return light, cover


def backdrop(
    camera: Camera, eye: Float[Tensor, "3"], ground: float, rays: Rays, size: tuple[int, int], how: Studio
) -> Float[Tensor, "H W 3"]:
    """The light of the paper, at half the size and blurred, so that the shadows of single rays are not told apart."""
    height, width = (max(n // 2, 1) for n in size)
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) / height * 2 - 1, (torch.arange(width) + 0.5) / width * 2 - 1, indexing="ij"
    )
    flat = (torch.stack([x, y], -1) - camera.centre[0]) / camera.focal[0]
    ahead = torch.stack([flat[..., 0], -flat[..., 1], -torch.ones_like(x)], -1).view(-1, 3)
    light = torch.zeros(len(ahead), 3)
    for start in range(0, len(ahead), CHUNK):
        at, normal = paper(eye, ahead[start : start + CHUNK], ground, how)
        some = (len(at), 3)
        spots = Spots(at, normal, linear(torch.tensor(how.paper)).expand(some), -ahead[start : start + CHUNK],
                      torch.zeros(some), torch.tensor([0.0, 1.0]).expand(len(at), 2))  # fmt: skip
        light[start : start + CHUNK] = lit(spots, rays)
    small = gaussian_blur2d(light.view(1, height, width, 3).permute(0, 3, 1, 2), (13, 13), (3.0, 3.0), "replicate")
    return interpolate(small, size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)


def paper(
    eye: Float[Tensor, "3"], ahead: Float[Tensor, "P 3"], ground: float, how: Studio
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
