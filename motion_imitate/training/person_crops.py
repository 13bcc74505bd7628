"""Crops of people in views from a store, with the truth about their bodies, as Human Mesh Recovery is trained on."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.hmr import PERSON_PIXELS, HmrConfig, HmrGuess
from motion_imitate.estimators.hmr_bodies import HmrBodies
from motion_imitate.synthesis.photo_damage import BatchRandom
from motion_imitate.training.store_pairs import PersonViews
from motion_imitate.types import Batched

CROP_SHIFT = 20 / 224  # of the crop's centre each way at most, as a fraction of its side
CROP_SCALE = (0.8, 1.23)  # of the person in the crop


@dataclass(frozen=True)
class PersonCrops(Batched):
    """Crops, and the bodies in them."""

    picture: Float[Tensor, "B 3 s s"]  # in [0, 1]; black outside the photo
    points: Float[Tensor, "B 33 2"]  # image points of the crop
    visible: Float[Tensor, "B 33"]
    joints: Float[Tensor, "B 33 3"]  # metres, in camera axes
    turns: Float[Tensor, "B J 3 3"]
    shape: Float[Tensor, "B S"]


def crop_people(
    views: PersonViews, bodies: HmrBodies, config: HmrConfig, random: BatchRandom | None = None
) -> PersonCrops:
    """Crops around the visible landmarks, with some error in place and size if there is `random`."""
    size = views.picture.new_tensor([views.picture.shape[3], views.picture.shape[2]])
    centre, side = frame_people(views.points * size / 2, views.visible)
    if random is not None:
        centre = centre + random.uniform(-CROP_SHIFT, CROP_SHIFT, 2) * side[:, None]
        side = side / random.uniform(*CROP_SCALE)
    half = side[:, None] / size  # of the crop's extent, in image points
    middle = centre * 2 / size
    picture = crop_pictures(views.picture, middle, half, config.size)
    turns, shape = bodies.bend_turns(views.body), views.body.shape
    here = views.points.new_zeros(len(views), 2)
    joints = bodies.landmarks(HmrGuess(here[:, 0], here, turns, shape))
    points = (views.points - middle[:, None]) / half[:, None]
    return PersonCrops(picture, points, views.visible, joints, turns, shape[:, : config.shapes])


def frame_people(
    points: Float[Tensor, "B K 2"], visible: Float[Tensor, "B K"]
) -> tuple[Float[Tensor, "B 2"], Float[Tensor, " B"]]:
    """Centre and side of the square around the visible points, or around all if none is visible."""
    counts = (visible > 0) | (visible.sum(1, keepdim=True) == 0)
    low = points.masked_fill(~counts[..., None], torch.inf).amin(1)
    high = points.masked_fill(~counts[..., None], -torch.inf).amax(1)
    return (low + high) / 2, ((high - low).norm(dim=1) / PERSON_PIXELS).clamp(min=1)


def crop_pictures(
    pictures: Float[Tensor, "B 3 H W"], middle: Float[Tensor, "B 2"], half: Float[Tensor, "B 2"], side: int
) -> Float[Tensor, "B 3 s s"]:
    """Crops with these centres and half extents, in image points; larger pictures are averaged down first."""
    step = max(1, pictures.shape[2] // side)
    pictures = F.avg_pool2d(pictures, step) if step > 1 else pictures
    matrix = torch.cat([torch.diag_embed(half), middle[..., None]], 2)
    grid = F.affine_grid(matrix, [len(pictures), 3, side, side], align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)
