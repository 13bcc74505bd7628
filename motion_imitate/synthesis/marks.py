"""Keypoints and the face of a made-up person, and whether a view shows them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned, local_to_global
from motion_imitate.geometry.camera import facing, to_image
from motion_imitate.synthesis.closet import POINTS, face_vertices, mark_vertices
from motion_imitate.synthesis.shader import Shot
from motion_imitate.types import Body, Camera

BELOW = 0.1  # metres that a point may lie under what is seen there


@dataclass(frozen=True)
class Marks:
    blend: Float[Tensor, "33 M"]
    face: Bool[Tensor, " M"]
    offsets: Float[Tensor, "33 3"]
    carriers: Int[Tensor, " 33"]
    head: int  # the joint

    @classmethod
    def of(cls, body: Skinned) -> "Marks":
        chosen = mark_vertices(body)
        blend, face = body.keypoints(POINTS)[:, chosen], face_vertices(body)[chosen]
        return cls(blend, face, *body.keypoint_offsets, body.joint_names.index("head"))

    def seen(
        self, shot: Shot, body: Body, camera: Camera, parents: tuple[int, ...]
    ) -> tuple[Float[Tensor, "N 33 2"], Float[Tensor, "N 33"], Float[Tensor, "N 4"], Float[Tensor, " N"]]:
        """Points, whether they are seen, the face's box, and how far it looks into the camera."""
        turns = local_to_global(body.pose, parents)
        place = self.blend @ shot.marks + facing((turns[:, self.carriers] @ self.offsets[..., None])[..., 0])
        points = to_image(place, camera)
        height, width = shot.depth.shape[1:]
        column = ((points[..., 0] + 1) / 2 * (width - 1)).round().long().clamp(0, width - 1)
        row = ((points[..., 1] + 1) / 2 * (height - 1)).round().long().clamp(0, height - 1)
        depth = shot.depth[torch.arange(len(points))[:, None], row, column]
        inside = (points[..., :2].abs() < 1).all(-1)
        clear = inside & ((points[..., 2] < depth + BELOW) | depth.isinf())
        flat = to_image(shot.marks[:, self.face], camera)[..., :2]
        ahead = facing(turns[:, self.head, :, 2])
        middle = torch.nn.functional.normalize(shot.marks[:, self.face].mean(1), dim=1)
        return points[..., :2], clear.to(place), torch.cat([flat.amin(1), flat.amax(1)], 1), -(ahead * middle).sum(1)
