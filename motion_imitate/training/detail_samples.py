"""Pairs of views as the detail-replenishing network sees them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.generators.detail_replenishing import FACE_LANDMARKS, DetailInput, crop_boxes
from motion_imitate.generators.pose_maps import draw_gaussian_maps, openpose_points
from motion_imitate.training.pair_inputs import found_pose, photo_over_grey, truth_over_grey
from motion_imitate.training.store_pairs import PairBatch, PersonViews
from motion_imitate.types import Batched

PUBLISHED_SIGMA, PUBLISHED_HEIGHT = 6.0, 256  # of the heat maps' Gaussians, in pixels of pictures of that height
LEAST_SIGMA = 2.0  # pixels
LANDMARK_SIGMA = 1 / 32  # of the landmarks' Gaussians, as a fraction of the face crop
FACING = 0.2  # how directly a face must look into the camera


@dataclass(frozen=True)
class DetailSample(Batched):
    """A batch of network inputs with the truth, in [-1, 1] over grey."""

    given: DetailInput
    truth: Float[Tensor, "B 3 H W"]
    alpha: Float[Tensor, "B 1 H W"]

    @classmethod
    def of(cls, pairs: PairBatch, face_side: int) -> "DetailSample":
        """The networks' view of pairs."""
        source, target = pairs.source, pairs.target
        size = (target.colour.shape[2], target.colour.shape[3])
        sigma = max(LEAST_SIGMA, PUBLISHED_SIGMA * size[0] / PUBLISHED_HEIGHT)
        poses = [found_pose(source), openpose_points(target.points, target.visible)]
        photo = photo_over_grey(source)
        face = crop_boxes(photo, source.face, face_side) * shows_face(source)[:, None, None, None]
        given = DetailInput(
            photo=photo,
            poses=torch.cat([draw_gaussian_maps(*pose, size, sigma) for pose in poses], 1),
            face=face,
            landmarks=draw_face_landmarks(target, face_side),
            box=target.face,
            shown=shows_face(target),
        )
        return cls(given, truth_over_grey(target), target.alpha)


def shows_face(views: PersonViews) -> Float[Tensor, " B"]:
    """1 where a face looks towards the camera."""
    return (views.face_turned > FACING).float()


def draw_face_landmarks(views: PersonViews, side: int) -> Float[Tensor, "B 11 side side"]:
    """Maps of the visible landmarks of faces within their boxes."""
    points, visible = views.points[:, :FACE_LANDMARKS], views.visible[:, :FACE_LANDMARKS] > 0.5
    low, high = views.face[:, None, :2], views.face[:, None, 2:]
    within = (2 * points - low - high) / (high - low).clamp(min=1e-3)
    present = visible & (within.abs() < 1).all(-1)
    return draw_gaussian_maps(within, present, (side, side), side * LANDMARK_SIGMA)
