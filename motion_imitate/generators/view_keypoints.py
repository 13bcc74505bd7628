"""The pose network's keypoints and the face of a body, read from views of it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.types import BodyModel, View

KEYPOINT_SET = "blazepose33"
DEPTH_SLACK = 0.1  # metres a keypoint may lie behind the visible surface
CARRIERS = 512  # vertices that carry a keypoint's offset from the mesh: those that move most with its joint
HEAD_PARTS = (23, 24)  # of DensePose
FACE_HEIGHTS = (-0.6, 1.7)  # from the mouth up, in distances between mouth and eyes
LEAST_AHEAD = 0.7  # cosine between ahead and the normals of faces that look there
FACE_DEPTH = 0.02  # metres before the ears


@dataclass(frozen=True)
class ViewKeypoints:
    """Reads keypoints from the corners of the faces of a view."""

    corners: Int[Tensor, " M"]  # of all faces, one after the other: the vertices used
    blend: Float[Tensor, "33 M"]
    face: Int[Tensor, " N"]  # the faces between chin and brow,
    front: Int[Tensor, " K"]  # and those of them that look ahead at rest

    @classmethod
    def of(cls, model: BodyModel) -> "ViewKeypoints":
        """The keypoints of a body model."""
        blend = keypoint_blend(model)
        used = (blend != 0).any(0).nonzero()[:, 0]
        corner = torch.zeros(len(model.skin.template), dtype=torch.long)
        corner[model.faces.flatten()] = torch.arange(model.faces.numel())
        return cls(corner[used], blend[:, used], *face_faces(model))

    def read(self, view: View) -> tuple[Float[Tensor, "B 33 2"], Float[Tensor, "B 33"]]:
        """Image points, and 1 for those that are in the picture and not hidden by the body."""
        place = view.corners.flatten(1, 2)[:, self.corners]
        depth = place[..., 2] @ self.blend.T  # blends of image points are exact if weighted by depth
        points = (self.blend @ (place[..., :2] * place[..., 2:])) / depth[..., None]
        height, width = view.raster.depth.shape[1:]
        column = ((points[..., 0] + 1) / 2 * width).long().clamp(0, width - 1)
        row = ((points[..., 1] + 1) / 2 * height).long().clamp(0, height - 1)
        surface = view.raster.depth[torch.arange(len(points))[:, None], row, column]
        clear = (points.abs() < 1).all(-1) & (depth < surface + DEPTH_SLACK)
        return points, clear.to(points)

    def read_face(self, view: View) -> tuple[Float[Tensor, "B 4"], Float[Tensor, " B"]]:
        """As `locate_face`, in a view."""
        return self.locate_face(view.corners)

    def locate_face(self, places: Float[Tensor, "B F 3 3"]) -> tuple[Float[Tensor, "B 4"], Float[Tensor, " B"]]:
        """The box of the face in image points, and how directly it looks into the camera: 1 to -1; from the image
        points of the corners of all faces."""
        flat = places[:, self.face, :, :2].flatten(1, 2)
        corners = places[:, self.front, :, :2]  # [B, K, 3, 2]
        along, across = corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
        area = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
        turned = -area.sum(1) / area.abs().sum(1).clamp(min=1e-9)
        return torch.cat([flat.amin(1), flat.amax(1)], 1), turned


def keypoint_blend(model: BodyModel) -> Float[Tensor, "33 V"]:
    """Blends of vertices into keypoints; the offsets from the mesh are blends of vertices that move with their
    joints."""
    blend = model.keypoints(KEYPOINT_SET).clone()
    at, weights = model.skin.template, model.skin.weights
    for number, (offset, joint) in enumerate(zip(*model.keypoint_offsets, strict=True)):
        if not offset.any():
            continue
        riders = weights[:, joint].topk(CARRIERS).indices
        system = torch.cat([at[riders].T, torch.ones(1, len(riders)).to(at)]).double()  # [4, n]
        wanted = torch.cat([offset, offset.new_zeros(1)]).double()
        blend[number, riders] += (torch.linalg.pinv(system) @ wanted).to(blend)
    return blend


def face_faces(model: BodyModel) -> tuple[Int[Tensor, " N"], Int[Tensor, " K"]]:
    """The faces between chin and brow, in front of the ears; and those of them that look ahead."""
    points = model.keypoints(KEYPOINT_SET) @ model.skin.template
    eye, ear, mouth = points[2], points[7], points[9]  # of the left side
    corners = model.skin.template[model.faces]
    at = corners.mean(1)
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    low, high = (float(mouth[1] + share * (eye[1] - mouth[1])) for share in FACE_HEIGHTS)
    within: Bool[Tensor, " F"] = (at[:, 1] > low) & (at[:, 1] < high) & (at[:, 2] > ear[2] + FACE_DEPTH)
    within &= torch.isin(model.parts, torch.tensor(HEAD_PARTS))
    ahead = normals[:, 2] > LEAST_AHEAD * normals.norm(dim=1)
    return within.nonzero()[:, 0], (within & ahead).nonzero()[:, 0]
