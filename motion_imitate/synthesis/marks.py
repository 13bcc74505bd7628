"""Keypoints and face box of a synthetic person, and whether a view shows them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, local_to_global
from motion_imitate.geometry.camera import camera_to_image, flip_camera_axes
from motion_imitate.synthesis.closet import KEYPOINT_SET, face_vertices, mark_vertices
from motion_imitate.synthesis.shader import RenderedViews
from motion_imitate.types import Body, Camera

KEYPOINT_DEPTH_SLACK = 0.1  # metres a keypoint may lie behind the visible surface


@dataclass(frozen=True)
class KeypointLocator:
    """Locates the keypoints and the face in rendered views."""

    blend: Float[Tensor, "33 M"]
    face: Bool[Tensor, " M"]
    offsets: Float[Tensor, "33 3"]
    carriers: Int[Tensor, " 33"]
    head: int  # joint index

    @classmethod
    def of(cls, body: SkinnedBody) -> "KeypointLocator":
        """The locator for a body model."""
        chosen = mark_vertices(body)
        blend, face = body.keypoints(KEYPOINT_SET)[:, chosen], face_vertices(body)[chosen]
        return cls(blend, face, *body.keypoint_offsets, body.joint_names.index("head"))

    def seen(
        self, shot: RenderedViews, body: Body, camera: Camera, parents: tuple[int, ...]
    ) -> tuple[Float[Tensor, "N 33 2"], Float[Tensor, "N 33"], Float[Tensor, "N 4"], Float[Tensor, " N"]]:
        """Keypoints, their visibility, the face box, and how directly the face looks into the camera."""
        turns = local_to_global(body.pose, parents)
        place = self.blend @ shot.marks + flip_camera_axes((turns[:, self.carriers] @ self.offsets[..., None])[..., 0])
        points = camera_to_image(place, camera)
        height, width = shot.depth.shape[1:]
        column = ((points[..., 0] + 1) / 2 * (width - 1)).round().long().clamp(0, width - 1)
        row = ((points[..., 1] + 1) / 2 * (height - 1)).round().long().clamp(0, height - 1)
        depth = shot.depth[torch.arange(len(points))[:, None], row, column]
        inside = (points[..., :2].abs() < 1).all(-1)
        clear = inside & ((points[..., 2] < depth + KEYPOINT_DEPTH_SLACK) | depth.isinf())
        flat = camera_to_image(shot.marks[:, self.face], camera)[..., :2]
        ahead = flip_camera_axes(turns[:, self.head, :, 2])
        middle = torch.nn.functional.normalize(shot.marks[:, self.face].mean(1), dim=1)
        return points[..., :2], clear.to(place), torch.cat([flat.amin(1), flat.amax(1)], 1), -(ahead * middle).sum(1)
