"""A store of labelled pictures of synthetic people, one file per person, and of background scenes.

A file depends only on the settings, the seed and its number.
"""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from motion_imitate import weights
from motion_imitate.avatar.parsing_net import encode_body_depth
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.synthesis import mocap, scenery
from motion_imitate.synthesis.actor import pose_actor
from motion_imitate.synthesis.closet import ClothingSettings
from motion_imitate.synthesis.costumes import CostumeHabits, make_labelled_person
from motion_imitate.synthesis.labels import SKIRT, LabelledActor, render_label_maps
from motion_imitate.synthesis.marks import KeypointLocator
from motion_imitate.synthesis.pairs import LightingSettings, render_part_coordinates, sample_scene_light
from motion_imitate.synthesis.poses import CameraFraming, EstimatorErrors, PoseSampler, PosingSettings, frame_views
from motion_imitate.synthesis.shader import render_actor
from motion_imitate.synthesis.shard_coding import (
    LabelledPictures,
    ShardCoding,
    pack_pictures,
    pack_scenes,
    unpack_pictures,
    unpack_scenes,
)
from motion_imitate.synthesis.stances import StanceSampler, StanceSettings
from motion_imitate.types import Body, BodyModel, Camera, cat_batched

PERSON_STREAM, SCENE_STREAM = 3, 4  # what a seed is for
SCENES_PER_SHARD = 50  # scenes of a file


@dataclass(frozen=True)
class StoreSettings:
    """What a store is made from."""

    size: tuple[int, int] = (256, 192)
    views: int = 20
    seed: int = 0
    lights: int = 5  # views that share a light, a lens and a way of framing
    coding: ShardCoding = "webp"
    motions: Path | None = None
    closet: ClothingSettings = field(default_factory=ClothingSettings)
    habit: CostumeHabits = field(default_factory=CostumeHabits)
    posing: PosingSettings = field(default_factory=PosingSettings)
    standing: StanceSettings = field(default_factory=StanceSettings)
    errors: EstimatorErrors = field(
        default_factory=lambda: EstimatorErrors(flat=2.5, deep=10.0, along=0.014, shape=0.4)
    )
    lighting: LightingSettings = field(default_factory=LightingSettings)


STORE_FRAMINGS = (  # how often, from where up the picture shows the person (of the body's height), and how large
    (0.54, 0.0, CameraFraming(whole=1.0, high=(0.8, 0.97), shift=0.03, same=0.0, pitch=6.0)),
    (0.2, 0.25, CameraFraming(whole=0.0, high=(0.85, 1.0), shift=0.03, same=0.0, pitch=6.0)),
    (0.26, 0.45, CameraFraming(whole=0.0, high=(0.85, 1.0), shift=0.03, same=0.0, pitch=6.0)),
)


class PeopleSource:
    """Generates pictures of people by number, the same ones for the same seed."""

    def __init__(self, body: SkinnedBody, how: StoreSettings = StoreSettings()) -> None:
        self.body, self.how = body, how
        bank = (
            None
            if how.motions is None
            else mocap.load_pose_bank(cast(BodyModel, body), how.motions, part=how.closet.part)
        )
        self.poses = PoseSampler(body, bank, how.posing)
        self.stances = StanceSampler(self.poses, how.standing)
        self.marks = KeypointLocator.of(body)

    @torch.no_grad()
    def render_person(self, number: int) -> LabelledPictures:
        """All pictures of one person."""
        random = np.random.default_rng([PERSON_STREAM, self.how.seed, number])
        who = make_labelled_person(self.body, random, self.how.closet, self.how.habit)
        counts = [self.how.lights] * (self.how.views // self.how.lights)
        rest = self.how.views - sum(counts)
        return cat_batched([self.render_views(random, who, count, number) for count in (*counts, rest) if count])

    def render_views(
        self, random: np.random.Generator, who: LabelledActor, count: int, number: int
    ) -> LabelledPictures:
        """Pictures that share light, lens and framing."""
        how, actor = self.how, who.actor
        pose = self.stances.sample_poses(random, count, not bool((who.fixed == SKIRT).any()))
        at, normals, marks = pose_actor(actor, pose)
        _, low, framing = STORE_FRAMINGS[int(random.choice(len(STORE_FRAMINGS), p=[f[0] for f in STORE_FRAMINGS]))]
        floor, top = actor.at[:, 1].aminmax()
        upper = actor.at[::7, 1] > floor + low * (top - floor)
        tilt, camera = frame_views(random, at[:, ::7], upper, how.size, framing)
        at, normals, marks = (x @ tilt.mT for x in (at, normals, marks))
        body = Body(torch.cat([tilt[:, None] @ pose[:, :1], pose[:, 1:]], 1), actor.shape.expand(count, -1))
        light = sample_scene_light(random, how.lighting)
        shot = render_actor(actor, at, normals, marks, camera, light, how.size)
        layer, kind = render_label_maps(who, shot.raster)
        part, uv = render_part_coordinates(actor, shot)
        errors = scale_estimator_errors(how.errors, random.uniform(0.3, 1.5))
        seen_body, seen_camera = self.poses.wrong(random, body, camera, errors)
        seen_part, seen_uv, seen_depth = render_body_maps(self.body, seen_body, seen_camera, how.size)
        points, points_seen, face, turned = self.marks.seen(shot, body, camera, actor.parents)
        u, v = quantize_bytes(uv).unbind(-1)
        return LabelledPictures(
            colour=quantize_bytes(shot.colour),
            alpha=quantize_bytes(shot.cover[:, 0]),
            layer=layer,
            kind=kind,
            part=part.to(torch.uint8),
            u=u,
            v=v,
            seen_part=seen_part,
            seen_u=seen_uv[..., 0],
            seen_v=seen_uv[..., 1],
            seen_depth=seen_depth,
            body=body,
            camera=camera,
            seen_body=seen_body,
            seen_camera=seen_camera,
            points=points,
            points_seen=points_seen,
            face=face,
            face_turned=turned,
            person=torch.full((count,), number),
        )

    def render_scenes(self, number: int, count: int = SCENES_PER_SHARD) -> UInt8[Tensor, "N 3 H W"]:
        """Backgrounds of one file."""
        random = np.random.default_rng([SCENE_STREAM, self.how.seed, number])
        scenes = [scenery.sample_backdrop(random, self.how.size) for _ in range(count)]
        return quantize_bytes(torch.from_numpy(np.stack(scenes)))


def scale_estimator_errors(errors: EstimatorErrors, by: float) -> EstimatorErrors:
    """Errors multiplied by a factor, except those of the trunk."""
    return replace(errors, **{f.name: getattr(errors, f.name) * by for f in fields(errors) if f.name != "trunk"})


def quantize_bytes(values: Tensor) -> Tensor:
    """Values in [0, 1] as bytes."""
    return (values.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def render_body_maps(
    model: SkinnedBody, body: Body, camera: Camera, size: tuple[int, int]
) -> tuple[UInt8[Tensor, "B H W"], UInt8[Tensor, "B H W 2"], UInt8[Tensor, "B H W"]]:
    """Part, (u, v) and depth of a bare body at pixel centres, as bytes."""
    vertices, _ = model(body)
    at = body_to_camera(vertices, camera)
    raster = rasterize(camera_to_image(at, camera)[:, model.faces], size)
    hit = (raster.face >= 0).nonzero(as_tuple=True)
    face = raster.face[hit]
    part = torch.zeros(raster.face.shape, dtype=torch.uint8)
    part[hit] = model.parts[face].to(torch.uint8)
    uv = torch.zeros(*part.shape, 2, dtype=torch.uint8)
    uv[hit] = quantize_bytes((model.iuv[face] * raster.weights[hit][..., None]).sum(1))
    depth = torch.zeros_like(part)
    depth[hit] = encode_body_depth(raster.depth[hit], camera.place[hit[0], 2])
    return part, uv, depth


def people_shard_path(folder: Path, number: int) -> Path:
    """The file of one person."""
    return folder / f"people_{number:06d}.safetensors"


def scene_shard_path(folder: Path, number: int) -> Path:
    """One file of scenes."""
    return folder / f"scenes_{number:06d}.safetensors"


def write_people_shard(folder: Path, source: PeopleSource, number: int) -> Path:
    """Write the pictures of one person atomically."""
    path = people_shard_path(folder, number)
    about = {"made": {"seed": source.how.seed, "person": number}}  # one entry: safetensors orders several at random
    weights.write_weights(path, about, pack_pictures(source.render_person(number), source.how.coding))
    return path


def write_scene_shard(folder: Path, source: PeopleSource, number: int) -> Path:
    """Write one file of scenes atomically."""
    path = scene_shard_path(folder, number)
    scenes = source.render_scenes(number)
    weights.write_weights(
        path, {"made": {"seed": source.how.seed, "first": number}}, pack_scenes(scenes, source.how.coding)
    )
    return path


def read_people_shard(path: Path) -> LabelledPictures:
    """Read the pictures of one person."""
    return unpack_pictures(weights.read_weights(path)[1])


def read_scene_shard(path: Path) -> UInt8[Tensor, "N 3 H W"]:
    """Read one file of scenes."""
    return unpack_scenes(weights.read_weights(path)[1])


def describe_store_settings(how: StoreSettings) -> str:
    """The settings as JSON: a store of other settings is not added to."""
    return json.dumps(asdict(how), indent=1, default=str, sort_keys=True) + "\n"
