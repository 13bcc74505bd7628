"""The light of a studio: lamps and a white sky, all of it a number of far rays.

Each ray has a picture of what it meets first, and lights nothing behind that. So shade in folds, soft shadows and the
dark under shoes are one thing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, radians, sin

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.raster import rasterize

GOLDEN = pi * (3 - 5**0.5)
FAR = 50.0  # metres from which rays look


@dataclass(frozen=True)
class Lamp:
    turn: float  # degrees to the person's left of straight ahead
    height: float  # degrees above the floor
    power: float
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    wide: float = 12.0  # degrees from its middle to its edge: how soft its shadows are
    rays: int = 20


@dataclass(frozen=True)
class Lights:
    lamps: tuple[Lamp, ...] = (
        Lamp(-38.0, 40.0, 1.15, (1.0, 0.97, 0.93), 18.0, 72),
        Lamp(55.0, 18.0, 0.22, (0.94, 0.97, 1.0), 25.0, 24),
        Lamp(150.0, 38.0, 0.4, (1.0, 0.98, 0.95), 20.0, 24),
    )
    sky: float = 0.5
    sky_rays: int = 90
    floor: float = 0.16  # light that comes back from below
    shadow: int = 640  # pixels of the pictures that rays see


@dataclass(frozen=True)
class Finish:
    """How a kind of thing takes light."""

    wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)  # how far light creeps round, by colour
    gloss: float = 0.0
    sharp: float = 20.0


FINISHES = {
    "skin": Finish((0.3, 0.14, 0.1), 0.035, 14.0),
    "clothes": Finish((0.05, 0.05, 0.05), 0.0),
    "shoes": Finish((0.0, 0.0, 0.0), 0.05, 24.0),
    "hair": Finish((0.2, 0.2, 0.2), 0.018, 16.0),
    "eyes": Finish((0.2, 0.2, 0.2), 0.12, 220.0),
    "brows": Finish((0.3, 0.2, 0.15), 0.0),
    "lashes": Finish((0.3, 0.2, 0.15), 0.0),
}


@dataclass(frozen=True)
class Ray:
    """Far light from one side, and the depth at which it meets something."""

    towards: Float[Tensor, "3"]  # the light
    colour: Float[Tensor, "3"]
    axes: Float[Tensor, "3 3"]  # across, down, away from the light
    middle: Float[Tensor, "3"]
    reach: float
    depth: Float[Tensor, "S S"]
    glints: bool  # whether it is seen mirrored in what shines


@dataclass(frozen=True)
class Rays:
    """All the light there is."""

    far: tuple[Ray, ...]
    floor: float


@dataclass(frozen=True)
class Spots:
    """Points to be lit."""

    at: Float[Tensor, "P 3"]
    normal: Float[Tensor, "P 3"]
    colour: Float[Tensor, "P 3"]  # linear
    eye: Float[Tensor, "P 3"]  # towards the camera
    wrap: Float[Tensor, "P 3"]
    gloss: Float[Tensor, "P 2"]


def linear(colour: Tensor) -> Tensor:
    """Light, from the numbers of a picture."""
    return colour.clamp(min=0) ** 2.2


def shown(light: Tensor) -> Tensor:
    """The numbers of a picture, from light; what is brighter than white comes near it softly."""
    knee = 0.8
    soft = knee + (1 - knee) * (1 - torch.exp(-(light - knee) / (1 - knee)))
    return torch.where(light > knee, soft, light).clamp(0, 1) ** (1 / 2.2)


def directions(how: Lights) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Where rays come from, in body space, their light, and whether they glint."""
    for lamp in how.lamps:
        a, b = radians(lamp.turn), radians(lamp.height)
        middle = torch.tensor([sin(a) * cos(b), sin(b), cos(a) * cos(b)])
        side = torch.tensor([cos(a), 0.0, -sin(a)])
        up = torch.linalg.cross(side, middle)
        for k in range(lamp.rays):
            out, turn = radians(lamp.wide) * ((k + 0.5) / lamp.rays) ** 0.5, k * GOLDEN
            towards = middle + out * (cos(turn) * side + sin(turn) * up)
            yield normalize(towards, dim=0), torch.tensor(lamp.colour) * (lamp.power / lamp.rays), True
    for k in range(how.sky_rays):
        y = 1 - (k + 0.5) / how.sky_rays  # even over the upper half of the sphere
        flat = (1 - y * y) ** 0.5
        towards = torch.tensor([flat * cos(k * GOLDEN), y, flat * sin(k * GOLDEN)])
        yield towards, torch.full((3,), 2 * how.sky / how.sky_rays), False


def cast(corners: Float[Tensor, "F 3 3"], towards: Tensor, colour: Tensor, glints: bool, size: int) -> Ray:
    """What a ray meets of faces in body space."""
    low, high = corners.flatten(0, 1).aminmax(dim=0)
    middle, reach = (low + high) / 2, float((high - low).norm()) / 2 * 1.02
    across = normalize(torch.linalg.cross(towards, towards.new_tensor([0.1, 1.0, 0.2])), dim=0)
    axes = torch.stack([across, torch.linalg.cross(across, towards), -towards])
    seen = (corners - middle) @ axes.mT
    flat = torch.cat([seen[..., :2] / reach, seen[..., 2:] + FAR], -1)
    depth = rasterize(flat[None], (size, size)).depth[0] - FAR
    return Ray(towards, colour, axes, middle, reach, depth, glints)


def reached(ray: Ray, at: Float[Tensor, "P 3"], slack: float = 0.008) -> Bool[Tensor, " P"]:
    """Whether the ray comes to each point."""
    size = len(ray.depth)
    flat = (at - ray.middle) @ (ray.axes.mT * (size / 2 / ray.reach))
    column, row = (flat[:, :2] + size / 2).long().unbind(1)
    outside = (column < 0) | (row < 0) | (column >= size) | (row >= size)
    met = ray.depth.view(-1)[(row * size + column).clamp(0, size * size - 1)]
    free: Tensor = outside | (met > flat[:, 2] * (2 * ray.reach / size) - slack)
    return free


def shone(corners: Float[Tensor, "F 3 3"], how: Lights) -> Rays:
    """The lights, with what they meet."""
    return Rays(tuple(cast(corners, *ray, how.shadow) for ray in directions(how)), how.floor)


def lit(spots: Spots, rays: Rays) -> Float[Tensor, "P 3"]:
    """The light that comes from each spot."""
    normal = spots.normal
    below = rays.floor * (0.5 - 0.5 * normal[:, 1:2])
    diffuse = below.expand(-1, 3).clone()
    shine = torch.zeros_like(diffuse)
    lifted = spots.at + 0.006 * normal
    scale, shift = 1 / (1 + spots.wrap), spots.wrap / (1 + spots.wrap)
    power, sharp = spots.gloss.unbind(1)
    for ray in rays.far:
        free = reached(ray, lifted)
        facing = normal @ ray.towards
        diffuse += torch.addcmul(shift, facing[:, None], scale).clamp_(min=0) * (free[:, None] * ray.colour)
        if ray.glints:
            half = normalize(spots.eye + ray.towards, dim=1)
            glint = power * (sharp + 8) / 8 * (normal * half).sum(1).clamp(min=0) ** sharp * (free & (facing > 0))
            shine += glint[:, None] * ray.colour
    return spots.colour * diffuse + shine
