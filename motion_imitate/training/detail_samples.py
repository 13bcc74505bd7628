"""Pairs of views as the detail-replenishing network sees them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.generators.detail_replenishing import FACING, DetailInput, crop_boxes
from motion_imitate.generators.pose_maps import draw_face_landmarks, draw_pose_heat_maps, openpose_points
from motion_imitate.training.pair_inputs import found_pose, photo_over_grey, truth_over_grey
from motion_imitate.training.store_pairs import PairBatch, PersonViews
from motion_imitate.types import Batched


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
        poses = [found_pose(source), openpose_points(target.points, target.visible)]
        photo = photo_over_grey(source)
        face = crop_boxes(photo, source.face, face_side) * shows_face(source)[:, None, None, None]
        given = DetailInput(
            photo=photo,
            poses=torch.cat([draw_pose_heat_maps(*pose, size) for pose in poses], 1),
            face=face,
            landmarks=draw_face_landmarks(target.points, target.visible, target.face, face_side),
            box=target.face,
            shown=shows_face(target),
        )
        return cls(given, truth_over_grey(target), target.alpha)


def shows_face(views: PersonViews) -> Float[Tensor, " B"]:
    """1 where a face looks towards the camera."""
    return (views.face_turned > FACING).float()
