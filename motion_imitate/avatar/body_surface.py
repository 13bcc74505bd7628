"""The fitted body as the photo shows it: which limb, which joints and what depths lie under each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.masks import Labels, Mask, Plane
from motion_imitate.bodies.parts import LIMB_GROUPS, PART_LIMBS, PART_NUMBERS
from motion_imitate.bodies.skinning import joint_moves, joint_places, local_to_global, rest_shape
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.raster import rasterize, to_pixels
from motion_imitate.types import Body, BodyModel, Camera

SIDES = ("left", "right")
LIMB_NUMBERS = {  # of a side's limbs: hand, forearm, ...
    side: {group: PART_LIMBS[PART_NUMBERS[group][0][k]] for group in LIMB_GROUPS} for k, side in enumerate(SIDES)
}
ARM_LIMBS = {side: [LIMB_NUMBERS[side][group] for group in ("hand", "forearm", "upperarm")] for side in SIDES}
LEG_LIMBS = {side: [LIMB_NUMBERS[side][group] for group in ("foot", "shin", "thigh")] for side in SIDES}
HEAD_LIMB, TORSO_LIMB = LIMB_NUMBERS["left"]["head"], LIMB_NUMBERS["left"]["torso"]
RIGID_CONTROLS = ("head", "wrist_left", "wrist_right", "ankle_left", "ankle_right")
FAR_DEPTH = 100.0  # metres; depths are mirrored at it to find the farthest face instead of the nearest


@dataclass(frozen=True)
class BodySurface:
    """Some limbs of the body under each pixel."""

    face: Labels  # -1 for none
    corner_weights: Plane  # [H, W, 3]
    front: Plane  # depth of the nearest face, in metres
    back: Plane  # of the farthest

    @property
    def covered(self) -> Mask:
        """Where there is a face."""
        return np.asarray(self.face >= 0)


@dataclass(frozen=True)
class PhotoBody:
    """A body model posed as in a photo of a size, and how its joints moved from rest to there."""

    model: BodyModel
    camera: Camera
    size: tuple[int, int]
    corners: Float[Tensor, "1 F 3 3"]
    limbs: Int[Tensor, " F"]
    weights: Float[Tensor, "V J"]  # fingers move with the wrist, toes with the foot, eyes with the head
    moves: Float[Tensor, "J 3 4"]  # body space
    places: Float[Tensor, "J 3"]  # of the joints, body space
    joints: NDArray[np.float64]  # [J, 2] pixels
    stature: float  # height in pixels, were it upright

    @property
    def places_in_camera(self) -> Float[Tensor, "J 3"]:
        """Where the joints are in camera space."""
        return body_to_camera(self.places[None], self.camera)[0]

    def joint_pixel(self, control: str) -> NDArray[np.float64]:
        """Where the first joint of a named bend is."""
        return self.joints[self.model.controls[control][0]]

    @cached_property
    def whole_surface(self) -> BodySurface:
        """The surface of all limbs."""
        return self.find_surface(range(1, len(PART_LIMBS)))

    def find_surface(self, limbs: Sequence[int]) -> BodySurface:
        """The surface of some limbs alone."""
        chosen = torch.isin(self.limbs, torch.tensor(list(limbs))).nonzero()[:, 0]
        corners = self.corners[:, chosen]
        near = rasterize(corners, self.size)
        mirrored = corners.clone()
        mirrored[..., 2] = FAR_DEPTH - mirrored[..., 2]
        far = rasterize(mirrored, self.size).depth[0]
        face = torch.where(near.face[0] >= 0, chosen[near.face[0].clamp(min=0)], -1)
        return BodySurface(face.numpy(), near.weights[0].numpy(), near.depth[0].numpy(), (FAR_DEPTH - far).numpy())

    def limbs_of(self, surface: BodySurface) -> Labels:
        """The limb under each pixel, 0 for none."""
        return np.where(surface.covered, self.limbs.numpy()[np.maximum(surface.face, 0)], 0)

    def joint_weights(self, surface: BodySurface, rows: Labels, columns: Labels) -> Plane:
        """Skinning weights [N, J] under pixels, 0 where there is no face."""
        face = surface.face[rows, columns]
        corner = self.model.faces.numpy()[np.maximum(face, 0)]
        mixed = (self.weights.numpy()[corner] * surface.corner_weights[rows, columns][..., None]).sum(1)
        return np.where(face[:, None] >= 0, mixed, 0).astype(np.float32)


def place_body(model: BodyModel, body: Body, camera: Camera, size: tuple[int, int]) -> PhotoBody:
    """Pose a body as in a photo; batches of one."""
    vertices, places = model(body)
    corners = camera_to_image(body_to_camera(vertices, camera), camera)[:, model.faces]
    height = rest_shape(model.skin, body.shape)[0][0, :, 1]
    scale = float(camera.focal[0, 1] / camera.place[0, 2]) * size[0] / 2
    joints = to_pixels(camera_to_image(body_to_camera(places, camera), camera), size)[0, :, :2]
    return PhotoBody(
        model,
        camera,
        size,
        corners,
        torch.tensor(PART_LIMBS)[model.parts],
        rigid_hand_weights(model),
        moves_from_rest(model, body)[0],
        places[0],
        joints.double().numpy(),
        float(height.max() - height.min()) * scale,
    )


def moves_from_rest(model: BodyModel, body: Body) -> Float[Tensor, "B J 3 4"]:
    """Each joint's movement from rest, in body space."""
    _, rest = rest_shape(model.skin, body.shape)
    turns = local_to_global(body.pose, model.skin.parents)
    return joint_moves(rest, turns, joint_places(turns, rest, model.skin.parents))


def rigid_hand_weights(model: BodyModel) -> Float[Tensor, "V J"]:
    """Skinning weights with those of fingers, toes and eyes moved to wrist, ankle and head: in a photo's outline they
    cannot be told apart."""
    target = torch.arange(len(model.joint_names))
    for control in RIGID_CONTROLS:
        carrier = model.controls[control][0]
        target[joint_descendants(model, carrier)] = carrier
    weights = model.skin.weights
    return torch.zeros_like(weights).index_add_(1, target, weights)


def joint_descendants(model: BodyModel, joint: int) -> list[int]:
    """A joint and all that hang from it."""
    chosen = [joint]
    for number, parent in enumerate(model.skin.parents):
        if parent in chosen:
            chosen.append(number)
    return chosen
