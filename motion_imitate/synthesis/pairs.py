"""Training samples: one synthetic person in two or more poses and views, with ground truth.

A sample depends only on its settings, seed and number; one person is used for many samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.flow import OUTSIDE_IMAGE
from motion_imitate.synthesis import damage, mocap, scenery
from motion_imitate.synthesis.actor import Actor, pose_actor
from motion_imitate.synthesis.closet import ClothingSettings, make_actor
from motion_imitate.synthesis.damage import Damage
from motion_imitate.synthesis.ground import render_ground_shadow
from motion_imitate.synthesis.lamp import SceneLight
from motion_imitate.synthesis.marks import KeypointLocator
from motion_imitate.synthesis.poses import CameraFraming, EstimatorErrors, PoseSampler, PosingSettings, frame_views
from motion_imitate.synthesis.shader import RenderedViews, render_actor
from motion_imitate.types import Batched, Body, BodyModel, Camera

PERSON_STREAM, SAMPLE_STREAM = 1, 2  # keep the random streams of people and samples apart


@dataclass(frozen=True)
class SyntheticSample(Batched):
    """N views of one person; mesh fields describe the dressed mesh at pixel centres."""

    image: Float[Tensor, "N 3 H W"]
    matte: Float[Tensor, "N 1 H W"]
    background: Float[Tensor, "N 3 H W"]  # the scene without the person or their shadow
    shadow: Float[Tensor, "N 1 H W"]  # share of the background's light that remains
    body: Body
    camera: Camera
    seen_body: Body  # the same with simulated estimator errors
    seen_camera: Camera
    flow: Float[Tensor, "N H W 2"]  # image points of the first view; NOWHERE where this view shows no person
    visible: Float[Tensor, "N H W"]  # 1 where the first view shows the same point
    part: Int[Tensor, "N H W"]  # 1 to 24; 0 for the background
    uv: Float[Tensor, "N H W 2"]
    points: Float[Tensor, "N 33 2"]  # blazepose33
    points_seen: Float[Tensor, "N 33"]
    face: Float[Tensor, "N 4"]  # left, top, right, bottom, in image points
    face_turned: Float[Tensor, " N"]  # 1: looks into the camera; below 0: away


@dataclass(frozen=True)
class LightingSettings:
    """Ranges and chances of the random lighting."""

    key: tuple[float, float] = (0.4, 1.1)
    ambient: tuple[float, float] = (0.3, 0.7)
    floor: tuple[float, float] = (0.3, 0.9)  # as a share of the ambient light
    tint: float = 0.06
    shade: float = 0.7  # chance that the key light casts shadows
    ground: float = 0.7  # chance of a ground shadow


@dataclass(frozen=True)
class PeoplePool:
    """How people are reused: `people` * `each` samples in a row show random people of one set of `people`."""

    people: int = 8
    each: int = 24


@dataclass(frozen=True)
class SampleSettings:
    """Settings of a synthetic dataset."""

    size: tuple[int, int] = (256, 256)
    views: int = 2
    motions: Path | None = None
    backgrounds: Path | None = None
    closet: ClothingSettings = field(default_factory=ClothingSettings)
    casting: PeoplePool = field(default_factory=PeoplePool)
    posing: PosingSettings = field(default_factory=PosingSettings)
    framing: CameraFraming = field(default_factory=CameraFraming)
    errors: EstimatorErrors = field(default_factory=EstimatorErrors)
    lighting: LightingSettings = field(default_factory=LightingSettings)
    damage: Damage = field(default_factory=Damage)


class SyntheticDataset:
    """Samples by number, reproducible from the seed."""

    def __init__(self, body: SkinnedBody, how: SampleSettings = SampleSettings(), seed: int = 0) -> None:
        self.body, self.how, self.seed = body, how, seed
        wardrobe = how.closet.wardrobe
        if wardrobe is not None and not (wardrobe / "clothes").is_dir():
            raise FileNotFoundError(f"no clothes/ folder in {wardrobe}; give a MakeHuman data folder")
        bank = (
            None
            if how.motions is None
            else mocap.load_pose_bank(cast(BodyModel, body), how.motions, part=how.closet.part)
        )
        self.poses = PoseSampler(body, bank, how.posing)
        self.photos = () if how.backgrounds is None else scenery.find_backdrop_photos(how.backgrounds)
        self.marks = KeypointLocator.of(body)
        self.cast: dict[int, Actor] = {}

    def __getitem__(self, number: int) -> SyntheticSample:
        random = np.random.default_rng([SAMPLE_STREAM, self.seed, number])
        casting = self.how.casting
        row = number // (casting.people * casting.each)
        return self.of(self.actor(row * casting.people + int(random.integers(casting.people))), random)

    def run(self, start: int, stop: int) -> Iterator[SyntheticSample]:
        """Samples `start` to `stop`."""
        for number in range(start, stop):
            yield self[number]

    def actor(self, number: int) -> Actor:
        """The person with that number; people of the current set are cached."""
        if number not in self.cast:
            first = number - number % self.how.casting.people
            self.cast = {k: v for k, v in self.cast.items() if k >= first}
            self.cast[number] = make_actor(
                self.body, np.random.default_rng([PERSON_STREAM, self.seed, number]), self.how.closet
            )
        return self.cast[number]

    @torch.no_grad()
    def of(self, actor: Actor, random: np.random.Generator) -> SyntheticSample:
        """A sample of random views of the person."""
        how = self.how
        pose = self.poses.sample_poses(random, how.views)
        at, normals, marks = pose_actor(actor, pose)
        tilt, camera = frame_views(random, at[:, ::7], actor.upper[::7], how.size, how.framing)
        at, normals, marks = (x @ tilt.mT for x in (at, normals, marks))
        body = Body(torch.cat([tilt[:, None] @ pose[:, :1], pose[:, 1:]], 1), actor.shape.expand(how.views, -1))
        light = sample_scene_light(random, how.lighting)
        shot = render_actor(actor, at, normals, marks, camera, light, how.size)
        return self.compose_sample(actor, random, shot, body, camera, light, tilt)

    def compose_sample(
        self,
        actor: Actor,
        random: np.random.Generator,
        shot: RenderedViews,
        body: Body,
        camera: Camera,
        light: SceneLight,
        tilt: Tensor,
    ) -> SyntheticSample:
        """Composite the rendered views over backdrops and collect the ground truth."""
        how = self.how
        behind = self.sample_view_backdrops(random)
        dark = torch.ones_like(shot.cover)
        if random.random() < how.lighting.ground:
            dark = render_ground_shadow(shot.at, camera, tilt, light.towards, how.size, random.uniform(0.2, 0.75))
        gain = torch.from_numpy(damage.sample_colour_cast(random, how.damage))
        image = ((shot.colour + (1 - shot.cover) * behind * dark) * gain).clamp(0, 1)
        for k in range(min(how.damage.views, how.views)):
            image[k] = torch.from_numpy(damage.degrade_image(random, image[k].numpy(), how.damage))
        seen_body, seen_camera = self.poses.wrong(random, body, camera, how.errors)
        flow, visible = flow_to_first_view(actor, shot, camera)
        part, uv = render_part_coordinates(actor, shot)
        points, points_seen, face, turned = self.marks.seen(shot, body, camera, actor.parents)
        return SyntheticSample(
            *(image, shot.cover, (behind * gain).clamp(0, 1), dark, body, camera, seen_body, seen_camera),
            *(flow, visible, part, uv, points, points_seen, face, turned),
        )

    def sample_view_backdrops(self, random: np.random.Generator) -> Float[Tensor, "N 3 H W"]:
        """One backdrop for all views, or, every second time, one for each."""
        scenes = [scenery.sample_backdrop(random, self.how.size, self.photos)]
        for _ in range(self.how.views - 1):
            scenes.append(scenes[0])
        if self.how.views > 1 and random.random() < 0.5:
            scenes[1:] = [scenery.sample_backdrop(random, self.how.size, self.photos) for _ in scenes[1:]]
        return torch.from_numpy(np.stack(scenes))


def sample_scene_light(random: np.random.Generator, how: LightingSettings) -> SceneLight:
    """np.random.Generator lighting: a key light from above, in front, aside or a little behind, with sky and floor."""
    turn, high = random.normal(0, 1.1), random.uniform(0.15, 1.3)
    towards = [np.sin(turn) * np.cos(high), -np.sin(high), -np.cos(turn) * np.cos(high)]
    warm = 1 + how.tint * random.normal(0, 1) * np.array([1, 0, -1])
    key = random.uniform(*how.key) * warm
    sky = random.uniform(*how.ambient) * (1 + how.tint * random.normal(0, 1, 3))
    floor = sky * random.uniform(*how.floor)
    shade = random.uniform(0.4, 1) * float(random.random() < how.shade)
    lamp, sun, above, below = (torch.from_numpy(np.asarray(x)).float() for x in (towards, key, sky, floor))
    return SceneLight(lamp, sun, above, below, shade)


def flow_to_first_view(
    actor: Actor, shot: RenderedViews, camera: Camera, slack: float = 0.015
) -> tuple[Float[Tensor, "N H W 2"], Float[Tensor, "N H W"]]:
    """For each pixel, where the first view shows the same point of the mesh, and whether it is visible there."""
    raster, count = shot.raster, len(shot.at)
    height, width = raster.face.shape[1:]
    flow = shot.at.new_full((count, height, width, 2), OUTSIDE_IMAGE)
    visible = shot.at.new_zeros(count, height, width)
    hit = (raster.face >= 0).nonzero(as_tuple=True)
    place = (shot.at[0][actor.faces[raster.face[hit]]] * raster.weights[hit][..., None]).sum(1)
    point = camera_to_image(place[None], camera[:1])[0]
    flow[hit] = point[:, :2]
    pixel = torch.stack([(point[:, 0] + 1) * width, (point[:, 1] + 1) * height], 1)  # in half pixels, the sample grid
    index = pixel.round().long()
    inside = (point[:, :2].abs() < 1).all(1)
    fine = shot.depth.shape[1:]
    column, row = index[:, 0].clamp(0, fine[1] - 1), index[:, 1].clamp(0, fine[0] - 1)
    visible[hit] = (inside & (point[:, 2] < shot.depth[0][row, column] + slack)).to(visible)
    return flow, visible


def render_part_coordinates(actor: Actor, shot: RenderedViews) -> tuple[Int[Tensor, "N H W"], Float[Tensor, "N H W 2"]]:
    """Body part number and part coordinates at each pixel centre."""
    raster = shot.raster
    hit = (raster.face >= 0).nonzero(as_tuple=True)
    face = raster.face[hit]
    part = torch.zeros_like(raster.face)
    part[hit] = actor.parts[face]
    uv = raster.weights.new_zeros(*part.shape, 2)
    uv[hit] = (actor.iuv[face] * raster.weights[hit][..., None]).sum(1)
    return part, uv
