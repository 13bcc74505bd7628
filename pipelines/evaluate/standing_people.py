"""Photos of synthetic people who stand and face the camera, with exact bodies and mattes."""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.bodies.dress import dress_body
from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.metrics.images import psnr, ssim
from motion_imitate.metrics.motion import mean_mask_iou
from motion_imitate.person import Person
from motion_imitate.portray import make_person
from motion_imitate.synthesis.actor import Actor, pose_actor
from motion_imitate.synthesis.closet import make_actor
from motion_imitate.synthesis.lamp import SceneLight
from motion_imitate.synthesis.pairs import SyntheticDataset, sample_scene_light
from motion_imitate.synthesis.poses import CameraFraming, frame_views
from motion_imitate.synthesis.shader import render_actor
from motion_imitate.synthesis.stances import StanceSampler, StanceSettings
from motion_imitate.training.samples import TrainingSampleSettings, perturb_matte
from motion_imitate.types import Body, BodyModel, Camera, Frames, Motion, Source
from pipelines.evaluate.options import EvaluationPeopleOptions
from pipelines.evaluate.scores import FrameScores, MetricNetworks, appearance_scores
from pipelines.synthesize.people import training_sampling

PHOTO_HEIGHT = 640  # pixels
STANDING = StanceSettings(turned=(1.0, 0.0, 0.0), legs=(0.8, 0.2, 0.0, 0.0))
LEVEL_FRAMING = CameraFraming(whole=1.0, high=(0.8, 0.9), shift=0.0, pitch=0.0, roll=0.0)
MATTE_ERRORS = TrainingSampleSettings(off=0.1)
PLAIN_GREY = 0.8  # of the background that pictures are compared over
PERSON_STREAM, CLOTHES_STREAM, PHOTO_STREAM = 11, 12, 13  # keep the random streams of a seed apart


@dataclass(frozen=True)
class PhotoScene:
    """How a photo is taken: the person's body, the camera and the light."""

    body: Body
    camera: Camera
    light: SceneLight


@dataclass(frozen=True)
class PlainPictures:
    """Pictures over a plain background, and the cover of the person."""

    image: Float[Tensor, "V 3 H W"]
    cover: Float[Tensor, "V 1 H W"]


class StandingPeople:
    """People and photos of them by number, the same ones for the same seed."""

    def __init__(self, how: EvaluationPeopleOptions) -> None:
        self.body, self.seed = bodies.load_body(), how.seed
        self.sampling = training_sampling(how, PHOTO_HEIGHT)
        self.pairs = SyntheticDataset(self.body, replace(self.sampling, views=1), how.seed)
        self.stances = StanceSampler(self.pairs.poses, STANDING)

    def make_actor(self, person: int, clothes: int) -> Actor:
        """The person of a number in the clothes of a number."""
        one, other = (
            np.random.default_rng([stream, self.seed, number])
            for stream, number in ((PERSON_STREAM, person), (CLOTHES_STREAM, clothes))
        )
        return make_actor(self.body, one, self.sampling.closet, other)

    def sample_scene(self, actor: Actor, number: int) -> PhotoScene:
        """A pose, camera and light."""
        random = np.random.default_rng([PHOTO_STREAM, self.seed, number])
        pose = self.stances.sample_poses(random, 1, loose=False)
        at, _, _ = pose_actor(actor, pose)
        _, camera = frame_views(random, at[:, ::7], actor.upper[::7], self.sampling.size, LEVEL_FRAMING)
        return PhotoScene(Body(pose, actor.shape[None]), camera, sample_scene_light(random, self.sampling.lighting))

    @torch.no_grad()
    def render(self, actor: Actor, scene: PhotoScene) -> PlainPictures:
        """The actor in the scene's bodies."""
        camera = scene.camera.map(lambda values: values.expand(len(scene.body), *values.shape[1:]))
        shot = render_actor(actor, *pose_actor(actor, scene.body.pose), camera, scene.light, self.sampling.size)
        return PlainPictures((shot.colour + (1 - shot.cover) * PLAIN_GREY).clamp(0, 1), shot.cover)

    @torch.no_grad()
    def portray(self, actor: Actor, scene: PhotoScene, number: int) -> Person:
        """The person of a photo over a backdrop, whose body is known."""
        random = np.random.default_rng([PHOTO_STREAM, self.seed, number, 1])
        made, behind = self.render(actor, scene), self.pairs.sample_view_backdrops(random)
        image = (made.image + (1 - made.cover) * (behind - PLAIN_GREY)).clamp(0, 1)
        matte = perturb_matte(made.cover[0], random, MATTE_ERRORS)[None]
        model = cast(BodyModel, dress_body(self.body, scene.body, scene.camera, matte))
        view = view_of_body(model, rasterize, scene.body, scene.camera, self.sampling.size)
        return make_person(Source(image, matte, behind, scene.body, scene.camera, view), model, AVATAR_RENDERER)


def draw_plain(person: Person, motion: Motion) -> PlainPictures:
    """The person in each frame of a motion."""
    size = (person.source.image.shape[2], person.source.image.shape[3])
    clear = torch.zeros(len(motion), 4, *size, dtype=torch.uint8)
    drawn = FrameRenderer(person, rasterize)((Frames(clear, motion.seconds), motion)).data.float() / 255
    colour, cover = drawn.split([3, 1], 1)
    return PlainPictures(colour * cover + PLAIN_GREY * (1 - cover), cover)


def score_picture(made: PlainPictures, truth: PlainPictures, number: int, judges: MetricNetworks) -> FrameScores:
    """The scores of a picture against the ground truth."""
    view = slice(number, number + 1)
    picture, goal, person = made.image[view], truth.image[view], truth.cover[view] > 0.5
    return {
        "person_psnr": float(psnr(picture, goal, person)),
        "person_ssim": float(ssim(picture, goal, person)),
        "outline": mean_mask_iou(made.cover[number] > 0.5, person[0]),
        **appearance_scores(picture, goal, person, judges.features),
    }
