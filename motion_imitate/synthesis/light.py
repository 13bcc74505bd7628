"""Studio lighting: lamps and a white sky, sampled as distant rays.

Each ray has a depth map of the first surface it hits and lights nothing behind it. This gives soft shadows, shaded
folds and contact shadows alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, radians, sin

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from motion_imitate.geometry.raster import rasterize

GOLDEN_ANGLE = pi * (3 - 5**0.5)
RAY_DISTANCE = 50.0  # metres from which rays start


@dataclass(frozen=True)
class StudioLamp:
    """A round lamp at infinite distance."""

    turn: float  # azimuth in degrees, towards the person's left
    height: float  # elevation in degrees
    power: float
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    wide: float = 12.0  # angular radius in degrees; wider gives softer shadows
    rays: int = 20


@dataclass(frozen=True)
class StudioLights:
    """The lamps, sky and floor of a studio."""

    lamps: tuple[StudioLamp, ...] = (
        StudioLamp(-38.0, 40.0, 1.15, (1.0, 0.97, 0.93), 18.0, 72),
        StudioLamp(55.0, 18.0, 0.22, (0.94, 0.97, 1.0), 25.0, 24),
        StudioLamp(150.0, 38.0, 0.4, (1.0, 0.98, 0.95), 20.0, 24),
    )
    sky: float = 0.5
    sky_rays: int = 90
    floor: float = 0.16  # light reflected by the floor
    shadow: int = 640  # side of a depth map in pixels


@dataclass(frozen=True)
class SurfaceFinish:
    """How a kind of surface reflects light."""

    wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)  # how far light wraps around, per colour channel
    gloss: float = 0.0
    sharp: float = 20.0


FINISHES = {
    "skin": SurfaceFinish((0.3, 0.14, 0.1), 0.035, 14.0),
    "clothes": SurfaceFinish((0.05, 0.05, 0.05), 0.0),
    "shoes": SurfaceFinish((0.0, 0.0, 0.0), 0.05, 24.0),
    "hair": SurfaceFinish((0.2, 0.2, 0.2), 0.018, 16.0),
    "eyes": SurfaceFinish((0.2, 0.2, 0.2), 0.12, 220.0),
    "brows": SurfaceFinish((0.3, 0.2, 0.15), 0.0),
    "lashes": SurfaceFinish((0.3, 0.2, 0.15), 0.0),
}


@dataclass(frozen=True)
class LightRay:
    """Distant light from one direction, with the depth at which it first hits something."""

    towards: Float[Tensor, "3"]  # the light
    colour: Float[Tensor, "3"]
    axes: Float[Tensor, "3 3"]  # across, down, away from the light
    middle: Float[Tensor, "3"]
    reach: float
    depth: Float[Tensor, "S S"]
    glints: bool  # whether it makes specular highlights


@dataclass(frozen=True)
class StudioRays:
    """All rays of a studio, and the light reflected by its floor."""

    far: tuple[LightRay, ...]
    floor: float


@dataclass(frozen=True)
class LitPoints:
    """Surface points to be shaded."""

    at: Float[Tensor, "P 3"]
    normal: Float[Tensor, "P 3"]
    colour: Float[Tensor, "P 3"]  # linear
    eye: Float[Tensor, "P 3"]  # towards the camera
    wrap: Float[Tensor, "P 3"]
    gloss: Float[Tensor, "P 2"]


def linear_light(colour: Tensor) -> Tensor:
    """Linear light from image values (gamma 2.2)."""
    return colour.clamp(min=0) ** 2.2


def tone_map_studio(light: Tensor) -> Tensor:
    """Image values from linear light; highlights above 0.8 are compressed towards white."""
    knee = 0.8
    soft = knee + (1 - knee) * (1 - torch.exp(-(light - knee) / (1 - knee)))
    return torch.where(light > knee, soft, light).clamp(0, 1) ** (1 / 2.2)


def light_ray_directions(how: StudioLights) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """For each ray, the direction it comes from in body space, its light, and whether it makes highlights."""
    for lamp in how.lamps:
        a, b = radians(lamp.turn), radians(lamp.height)
        middle = torch.tensor([sin(a) * cos(b), sin(b), cos(a) * cos(b)])
        side = torch.tensor([cos(a), 0.0, -sin(a)])
        up = torch.linalg.cross(side, middle)
        for k in range(lamp.rays):
            out, turn = radians(lamp.wide) * ((k + 0.5) / lamp.rays) ** 0.5, k * GOLDEN_ANGLE
            towards = middle + out * (cos(turn) * side + sin(turn) * up)
            yield normalize(towards, dim=0), torch.tensor(lamp.colour) * (lamp.power / lamp.rays), True
    for k in range(how.sky_rays):
        y = 1 - (k + 0.5) / how.sky_rays  # uniform over the upper hemisphere
        flat = (1 - y * y) ** 0.5
        towards = torch.tensor([flat * cos(k * GOLDEN_ANGLE), y, flat * sin(k * GOLDEN_ANGLE)])
        yield towards, torch.full((3,), 2 * how.sky / how.sky_rays), False


def build_light_ray(
    corners: Float[Tensor, "F 3 3"], towards: Tensor, colour: Tensor, glints: bool, size: int
) -> LightRay:
    """A light ray with the depth map of the given faces in body space."""
    low, high = corners.flatten(0, 1).aminmax(dim=0)
    middle, reach = (low + high) / 2, float((high - low).norm()) / 2 * 1.02
    across = normalize(torch.linalg.cross(towards, towards.new_tensor([0.1, 1.0, 0.2])), dim=0)
    axes = torch.stack([across, torch.linalg.cross(across, towards), -towards])
    seen = (corners - middle) @ axes.mT
    flat = torch.cat([seen[..., :2] / reach, seen[..., 2:] + RAY_DISTANCE], -1)
    depth = rasterize(flat[None], (size, size)).depth[0] - RAY_DISTANCE
    return LightRay(towards, colour, axes, middle, reach, depth, glints)


def unshadowed_points(ray: LightRay, at: Float[Tensor, "P 3"], slack: float = 0.008) -> Bool[Tensor, " P"]:
    """Whether each point is lit by the ray."""
    size = len(ray.depth)
    flat = (at - ray.middle) @ (ray.axes.mT * (size / 2 / ray.reach))
    column, row = (flat[:, :2] + size / 2).long().unbind(1)
    outside = (column < 0) | (row < 0) | (column >= size) | (row >= size)
    met = ray.depth.view(-1)[(row * size + column).clamp(0, size * size - 1)]
    free: Tensor = outside | (met > flat[:, 2] * (2 * ray.reach / size) - slack)
    return free


def build_studio_rays(corners: Float[Tensor, "F 3 3"], how: StudioLights) -> StudioRays:
    """All rays of the lights, with the depth maps of the given faces."""
    return StudioRays(tuple(build_light_ray(corners, *ray, how.shadow) for ray in light_ray_directions(how)), how.floor)


def shade_points(spots: LitPoints, rays: StudioRays) -> Float[Tensor, "P 3"]:
    """Light reflected from each point towards the camera."""
    normal = spots.normal
    below = rays.floor * (0.5 - 0.5 * normal[:, 1:2])
    diffuse = below.expand(-1, 3).clone()
    shine = torch.zeros_like(diffuse)
    lifted = spots.at + 0.006 * normal
    scale, shift = 1 / (1 + spots.wrap), spots.wrap / (1 + spots.wrap)
    power, sharp = spots.gloss.unbind(1)
    for ray in rays.far:
        free = unshadowed_points(ray, lifted)
        facing = normal @ ray.towards
        diffuse += torch.addcmul(shift, facing[:, None], scale).clamp_(min=0) * (free[:, None] * ray.colour)
        if ray.glints:
            half = normalize(spots.eye + ray.towards, dim=1)
            glint = power * (sharp + 8) / 8 * (normal * half).sum(1).clamp(min=0) ** sharp * (free & (facing > 0))
            shine += glint[:, None] * ray.colour
    return spots.colour * diffuse + shine
