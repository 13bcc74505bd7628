"""Where a moving body is in the picture: its bounding box, what is outside, and where the photo's cut would show."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.bodies.skinning import joint_places, local_to_global, rest_shape, skin_vertices
from motion_imitate.geometry.camera import project_points
from motion_imitate.motion.feet import FOOT_SIDES, joint_ancestors
from motion_imitate.types import Batched, Body, BodyModel, Motion, Skin, Source

CUT_MATTE = 0.05  # share of the photo's last row that the person covers, from which the photo cuts them off
CUT_BAND = 0.3  # below the photo's edge, in image points: the part of the body that shows where the person ends
CUT_QUANTILE = 0.2  # of their heights: the back of a body that bends may be higher than the edge that shows


@dataclass(frozen=True)
class PersonOutline:
    """A coarse body: the faces that the photo shows, and the vertices just below its edge if that cuts the person."""

    skin: Skin
    faces: Int[Tensor, "F 3"]
    shown: Int[Tensor, " M"]  # the vertices of the faces, of which
    core: Int[Tensor, " N"]  # those of head, trunk and legs
    band: Int[Tensor, " K"]

    @property
    def is_cut(self) -> bool:
        """Whether the photo cuts the person off at its lower edge."""
        return len(self.band) > 0


@dataclass(frozen=True)
class OutlineTrack(Batched):
    """A body in the pictures of a motion, in image points."""

    low: Float[Tensor, "B 2"]  # left and top of its bounding box
    high: Float[Tensor, "B 2"]
    core_low: Float[Tensor, "B 2"]  # the same without the arms
    core_high: Float[Tensor, "B 2"]
    cut: Float[Tensor, " B"]  # height of the cut; infinity if the photo cuts nothing off
    lost: Float[Tensor, " B"]  # share of the body outside the picture


def find_person_outline(source: Source, model: BodyModel) -> PersonOutline:
    """The outline of the person in the first photo."""
    body, camera = source.body[:1], source.camera[:1]
    coarse = coarse_skin(model)
    seen = project_points(pose_skin(coarse, body), camera)[0, :, :2]
    arms = arm_vertices(model, coarse)
    below = (seen[:, 1] > 1) & ~arms & ((source.matte[0, 0, -1] > 0.5).float().mean() > CUT_MATTE)
    band = (below & (seen[:, 1] < 1 + CUT_BAND)).nonzero()[:, 0]
    faces = model.proxy_faces[~below[model.proxy_faces].any(1)]
    shown = faces.flatten().unique()
    return PersonOutline(coarse, faces, shown, shown[~arms[shown]], band)


def coarse_skin(model: BodyModel) -> Skin:
    """The skin of the vertices that approximate the mesh."""
    skin, chosen = model.skin, model.proxy_vertices
    return Skin(
        skin.template[chosen],
        skin.shape_dirs[:, chosen],
        skin.joints,
        skin.joint_dirs,
        skin.weights[chosen],
        skin.parents,
    )


def arm_vertices(model: BodyModel, skin: Skin) -> Bool[Tensor, " V"]:
    """The vertices that move with the arms."""
    shoulders = {model.controls[f"shoulder_{side}"][0] for side in FOOT_SIDES}
    arms = [bool(shoulders & set(joint_ancestors(joint, skin.parents))) for joint in range(len(skin.parents))]
    return torch.tensor(arms)[skin.weights.argmax(1)]


def pose_skin(skin: Skin, body: Body) -> Float[Tensor, "B V 3"]:
    """Posed vertices in body space."""
    rest, joints = rest_shape(skin, body.shape)
    turns = local_to_global(body.pose, skin.parents)
    return skin_vertices(skin.weights, rest, joints, turns, joint_places(turns, joints, skin.parents))


def track_outline(outline: PersonOutline, motion: Motion) -> OutlineTrack:
    """The body in each picture of the motion, as its cameras see it."""
    points = project_points(pose_skin(outline.skin, motion.body), motion.camera)[..., :2]
    shown, core = points[:, outline.shown], points[:, outline.core]
    lost = lost_share(points[:, outline.faces], outline.is_cut)
    cut = torch.full_like(lost, torch.inf)
    if outline.is_cut:
        cut = points[:, outline.band, 1].quantile(CUT_QUANTILE, 1)
    return OutlineTrack(shown.amin(1), shown.amax(1), core.amin(1), core.amax(1), cut, lost)


def lost_share(corners: Float[Tensor, "B F 3 2"], cut: bool) -> Float[Tensor, " B"]:
    """Share of the faces' area in the picture that is outside it; if `cut`, below it does not count."""
    along, across = corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
    area = (along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]).abs()
    middle = corners.mean(2)
    outside = (middle[..., 0].abs() > 1) | (middle[..., 1] < -1) | ((middle[..., 1] > 1) & (not cut))
    return (area * outside).sum(1) / area.sum(1).clamp(min=1e-9)
