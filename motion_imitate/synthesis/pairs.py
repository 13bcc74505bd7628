"""Training samples: one made-up person in two or more poses before cameras, and all that is true about them.

A sample depends on its settings, its seed and its number alone; one person serves for many samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned
from motion_imitate.geometry.camera import to_image
from motion_imitate.geometry.flow import NOWHERE
from motion_imitate.synthesis import damage, mocap, scenery
from motion_imitate.synthesis.actor import Actor, posed
from motion_imitate.synthesis.closet import Closet, person
from motion_imitate.synthesis.damage import Damage
from motion_imitate.synthesis.ground import shadow
from motion_imitate.synthesis.lamp import Glare
from motion_imitate.synthesis.marks import Marks
from motion_imitate.synthesis.poses import Errors, Framing, Poses, Posing, looked_at
from motion_imitate.synthesis.shader import Shot, shoot
from motion_imitate.types import Batched, Body, BodyModel, Camera

Random = np.random.Generator
PERSON, SAMPLE = 1, 2  # what a seed is for


@dataclass(frozen=True)
class Sample(Batched):
    """N views of one person; what is said of the mesh means the dressed one, in the middles of pixels."""

    image: Float[Tensor, "N 3 H W"]
    matte: Float[Tensor, "N 1 H W"]
    background: Float[Tensor, "N 3 H W"]  # the scene without the person or their shadow
    shadow: Float[Tensor, "N 1 H W"]  # what of the background's light is left there
    body: Body
    camera: Camera
    seen_body: Body  # the same as an estimator would see them
    seen_camera: Camera
    flow: Float[Tensor, "N H W 2"]  # image points of the first view; NOWHERE where this view has nobody
    visible: Float[Tensor, "N H W"]  # 1 where the first view shows that spot
    part: Int[Tensor, "N H W"]  # 1 to 24, 0 where nobody is
    uv: Float[Tensor, "N H W 2"]
    points: Float[Tensor, "N 33 2"]  # blazepose33
    points_seen: Float[Tensor, "N 33"]
    face: Float[Tensor, "N 4"]  # left, top, right, bottom, in image points
    face_turned: Float[Tensor, " N"]  # 1: it looks into the camera; below 0: away


@dataclass(frozen=True)
class Lighting:
    key: tuple[float, float] = (0.4, 1.1)
    ambient: tuple[float, float] = (0.3, 0.7)
    floor: tuple[float, float] = (0.3, 0.9)  # what comes back from below, of the ambient
    tint: float = 0.06
    shade: float = 0.7  # how often the key casts shadows
    ground: float = 0.7  # how often there is a shadow on the ground


@dataclass(frozen=True)
class Casting:
    """From one set of people to the next: sample n is of any of the set's `people`, which serves `each` times as many
    samples as it has people."""

    people: int = 8
    each: int = 24


@dataclass(frozen=True)
class Sampling:
    size: tuple[int, int] = (256, 256)
    views: int = 2
    motions: Path | None = None
    backgrounds: Path | None = None
    closet: Closet = field(default_factory=Closet)
    casting: Casting = field(default_factory=Casting)
    posing: Posing = field(default_factory=Posing)
    framing: Framing = field(default_factory=Framing)
    errors: Errors = field(default_factory=Errors)
    lighting: Lighting = field(default_factory=Lighting)
    damage: Damage = field(default_factory=Damage)


class Pairs:
    """Samples by number, the same ones for the same seed."""

    def __init__(self, body: Skinned, how: Sampling = Sampling(), seed: int = 0) -> None:
        self.body, self.how, self.seed = body, how, seed
        wardrobe = how.closet.wardrobe
        if wardrobe is not None and not (wardrobe / "clothes").is_dir():
            raise FileNotFoundError(f"no folder clothes in {wardrobe}; give a data folder of MakeHuman's")
        bank = None if how.motions is None else mocap.library(cast(BodyModel, body), how.motions, part=how.closet.part)
        self.poses = Poses(body, bank, how.posing)
        self.photos = () if how.backgrounds is None else scenery.photos(how.backgrounds)
        self.marks = Marks.of(body)
        self.cast: dict[int, Actor] = {}

    def __getitem__(self, number: int) -> Sample:
        random = np.random.default_rng([SAMPLE, self.seed, number])
        casting = self.how.casting
        row = number // (casting.people * casting.each)
        return self.of(self.actor(row * casting.people + int(random.integers(casting.people))), random)

    def run(self, start: int, stop: int) -> Iterator[Sample]:
        for number in range(start, stop):
            yield self[number]

    def actor(self, number: int) -> Actor:
        """The person of that number; those of the set he is in are kept."""
        if number not in self.cast:
            first = number - number % self.how.casting.people
            self.cast = {k: v for k, v in self.cast.items() if k >= first}
            self.cast[number] = person(self.body, np.random.default_rng([PERSON, self.seed, number]), self.how.closet)
        return self.cast[number]

    @torch.no_grad()
    def of(self, actor: Actor, random: Random) -> Sample:
        """Some views of somebody."""
        how = self.how
        pose = self.poses.few(random, how.views)
        at, normals, marks = posed(actor, pose)
        tilt, camera = looked_at(random, at[:, ::7], actor.upper[::7], how.size, how.framing)
        at, normals, marks = (x @ tilt.mT for x in (at, normals, marks))
        body = Body(torch.cat([tilt[:, None] @ pose[:, :1], pose[:, 1:]], 1), actor.shape.expand(how.views, -1))
        light = glare(random, how.lighting)
        shot = shoot(actor, at, normals, marks, camera, light, how.size)
        return self.sample(actor, random, shot, body, camera, light, tilt)

    def sample(
        self, actor: Actor, random: Random, shot: Shot, body: Body, camera: Camera, light: Glare, tilt: Tensor
    ) -> Sample:
        how = self.how
        behind = self.backdrops(random)
        dark = torch.ones_like(shot.cover)
        if random.random() < how.lighting.ground:
            dark = shadow(shot.at, camera, tilt, light.towards, how.size, random.uniform(0.2, 0.75))
        gain = torch.from_numpy(damage.cast(random, how.damage))
        image = ((shot.colour + (1 - shot.cover) * behind * dark) * gain).clamp(0, 1)
        for k in range(min(how.damage.views, how.views)):
            image[k] = torch.from_numpy(damage.damaged(random, image[k].numpy(), how.damage))
        seen_body, seen_camera = self.poses.wrong(random, body, camera, how.errors)
        flow, visible = traced(actor, shot, camera)
        part, uv = charted(actor, shot)
        points, points_seen, face, turned = self.marks.seen(shot, body, camera, actor.parents)
        return Sample(
            *(image, shot.cover, (behind * gain).clamp(0, 1), dark, body, camera, seen_body, seen_camera),
            *(flow, visible, part, uv, points, points_seen, face, turned),
        )

    def backdrops(self, random: Random) -> Float[Tensor, "N 3 H W"]:
        """One scene for all views, or every other time one for each."""
        scenes = [scenery.scene(random, self.how.size, self.photos)]
        for _ in range(self.how.views - 1):
            scenes.append(scenes[0])
        if self.how.views > 1 and random.random() < 0.5:
            scenes[1:] = [scenery.scene(random, self.how.size, self.photos) for _ in scenes[1:]]
        return torch.from_numpy(np.stack(scenes))


def glare(random: Random, how: Lighting) -> Glare:
    """A lamp or the sun somewhere in front, aside or a little behind, from above; and a sky and a floor."""
    turn, high = random.normal(0, 1.1), random.uniform(0.15, 1.3)
    towards = [np.sin(turn) * np.cos(high), -np.sin(high), -np.cos(turn) * np.cos(high)]
    warm = 1 + how.tint * random.normal(0, 1) * np.array([1, 0, -1])
    key = random.uniform(*how.key) * warm
    sky = random.uniform(*how.ambient) * (1 + how.tint * random.normal(0, 1, 3))
    floor = sky * random.uniform(*how.floor)
    shade = random.uniform(0.4, 1) * float(random.random() < how.shade)
    lamp, sun, above, below = (torch.from_numpy(np.asarray(x)).float() for x in (towards, key, sky, floor))
    return Glare(lamp, sun, above, below, shade)


def traced(
    actor: Actor, shot: Shot, camera: Camera, slack: float = 0.015
) -> tuple[Float[Tensor, "N H W 2"], Float[Tensor, "N H W"]]:
    """Where the first view shows what each view does, and whether it does."""
    raster, count = shot.raster, len(shot.at)
    height, width = raster.face.shape[1:]
    flow = shot.at.new_full((count, height, width, 2), NOWHERE)
    visible = shot.at.new_zeros(count, height, width)
    hit = (raster.face >= 0).nonzero(as_tuple=True)
    place = (shot.at[0][actor.faces[raster.face[hit]]] * raster.weights[hit][..., None]).sum(1)
    point = to_image(place[None], camera[:1])[0]
    flow[hit] = point[:, :2]
    pixel = torch.stack([(point[:, 0] + 1) * width, (point[:, 1] + 1) * height], 1)  # half pixels: those of samples
    index = pixel.round().long()
    inside = (point[:, :2].abs() < 1).all(1)
    fine = shot.depth.shape[1:]
    column, row = index[:, 0].clamp(0, fine[1] - 1), index[:, 1].clamp(0, fine[0] - 1)
    visible[hit] = (inside & (point[:, 2] < shot.depth[0][row, column] + slack)).to(visible)
    return flow, visible


def charted(actor: Actor, shot: Shot) -> tuple[Int[Tensor, "N H W"], Float[Tensor, "N H W 2"]]:
    raster = shot.raster
    hit = (raster.face >= 0).nonzero(as_tuple=True)
    face = raster.face[hit]
    part = torch.zeros_like(raster.face)
    part[hit] = actor.parts[face]
    uv = raster.weights.new_zeros(*part.shape, 2)
    uv[hit] = (actor.iuv[face] * raster.weights[hit][..., None]).sum(1)
    return part, uv


def damage_free(how: Sampling) -> Sampling:
    """The same people, poses and scenes, without noise, blur, codecs and casts."""
    return replace(how, damage=Damage(0, cast=(0.0, 0.0)))
