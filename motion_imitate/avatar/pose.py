"""Pose an avatar with the joints of its body model."""

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.avatar.arm_twist import undo_arm_twist
from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.body_hand_moves import AvatarMoves, append_hand_moves, smooth_ramp
from motion_imitate.avatar.photo_layers import ARM_LAYERS
from motion_imitate.bodies.skinning import joint_moves, joint_places, local_to_global, rest_shape
from motion_imitate.geometry.camera import body_to_camera, flip_camera_axes
from motion_imitate.types import Body, BodyModel, Camera

FLANK_TURN = (0.7, 2.0)  # how many times wider than in the photo a flank is seen, while its colours change
RIM_TURN = (0.3, 0.7)  # sines to the photo's direction, over which flat strips fold
LIFT_DISTANCE = (0.01, 0.05)  # metres that an arm leaves a face by, while its shadow goes
LIFT_TURN = (15.0, 40.0)  # degrees that the trunk turns by, while all shadows of arms go
CUT_GONE = 0.5  # of the photo's hand, from which on its arm is cut at the cuff
HEAD_TURN = (3.0, 15.0)  # degrees that the head turns by, while it takes the colours of the head all round


class PosedAvatar(NamedTuple):
    """An avatar in B poses."""

    vertices: Float[Tensor, "B V 3"]  # in camera space
    source: Float[Tensor, "B V 2"]  # image points of the photo that they show
    lift: Float[Tensor, "B K"]  # of the contact faces
    head_lift: Float[Tensor, " B"]  # of the head's faces
    gone: Float[Tensor, "B N"]  # how much of the photo's hands has gone

    def dress(self, avatar: Avatar, number: int = 0) -> Avatar:
        """The avatar with the colours of one of the poses."""
        contacts = replace(avatar.contacts, lift=self.lift[number])
        head = replace(avatar.head, lift=self.head_lift[number])
        photo, cuffs = avatar.photo.clone(), replace(avatar.cuffs, gone=self.gone[number])
        cut = self.cuts_sleeves(avatar)[number]
        photo[cuffs.faces] = torch.where(cut, cuffs.photo, photo[cuffs.faces])
        return replace(avatar, source=self.source[number], photo=photo, contacts=contacts, head=head, cuffs=cuffs)

    def cuts_sleeves(self, avatar: Avatar) -> Bool[Tensor, "B K"]:
        """Which of the avatar's cuff faces end at the cuff."""
        return self.gone[:, avatar.cuffs.hand] > CUT_GONE


def pose_avatar(avatar: Avatar, model: BodyModel, body: Body, camera: Camera) -> PosedAvatar:
    """Vertices by linear blend skinning."""
    moves, gone = avatar_moves(avatar, model, body)
    table = moves.transpose(0, 1).flatten(1)  # [J, B 3 4]
    mixed = F.embedding_bag(avatar.joints, table, per_sample_weights=avatar.weights, mode="sum")
    mixed = mixed.view(len(avatar.rest), len(moves), 3, 4).transpose(0, 1)
    vertices = body_to_camera((mixed[..., :3] @ avatar.rest[:, :, None])[..., 0] + mixed[..., 3], camera)
    fold_rim(avatar, mixed, vertices)
    trunk = view_turn(avatar.photo_view, moves[:, model.controls["spine_high"][0]], vertices, avatar.contacts.vertices)
    head = view_turn(avatar.head.ray, moves[:, avatar.head.joint], vertices, avatar.faces[avatar.head.faces, 0])
    lift = lift_contacts(avatar, vertices).maximum(smooth_ramp(trunk, *LIFT_TURN)[:, None])
    return PosedAvatar(vertices, turn_flanks(avatar, mixed, vertices), lift, smooth_ramp(head, *HEAD_TURN), gone)


def avatar_moves(avatar: Avatar, model: BodyModel, body: Body) -> AvatarMoves:
    """How the joints that the avatar's vertices move with have moved from rest; see `undo_arm_twist` for forearms and
    hands, and `append_hand_moves` for the body's hands.

    The body's shape must be the one that the avatar was built with: its joints at rest are where the avatar's are.
    """
    _, joints = rest_shape(model.skin, body.shape)
    turns = local_to_global(body.pose, model.skin.parents)
    places = joint_places(turns, joints, model.skin.parents)
    moves = joint_moves(joints, turns, places)
    held = undo_arm_twist(model, moves, places, avatar.photo_turns, avatar.photo_places)
    return append_hand_moves(avatar, model, moves, held, places)


def lift_contacts(avatar: Avatar, vertices: Float[Tensor, "B V 3"]) -> Float[Tensor, "B K"]:
    """How far arms have left the faces that they touch in the photo, 0 to 1; an arm's own faces lose what lies on them
    together, when most of the arm has left."""
    contacts = avatar.contacts
    distance = (vertices[:, contacts.vertices] - vertices[:, contacts.other]).norm(dim=-1)
    away = distance - contacts.distance
    of_arm = torch.stack([avatar.layer[contacts.faces] == arm for arm in ARM_LAYERS]).to(away)
    arms_away = away @ (of_arm / of_arm.sum(1, keepdim=True).clamp(min=1)).T
    lift = smooth_ramp(away, *LIFT_DISTANCE)
    return lift.maximum(smooth_ramp(arms_away, *LIFT_DISTANCE) @ of_arm)


def view_turn(
    ray: Float[Tensor, "3"], moves: Float[Tensor, "B 3 4"], vertices: Float[Tensor, "B V 3"], seen: Int[Tensor, " K"]
) -> Float[Tensor, " B"]:
    """Degrees between the direction in which the photo saw something, at rest, and the one in which it is seen now;
    0 for nothing."""
    if not len(seen):
        return vertices.new_zeros(len(vertices))
    photo, now = flip_camera_axes(moves[..., :3] @ ray), vertices[:, seen].mean(1)
    return torch.atan2(torch.linalg.cross(photo, now).norm(dim=-1), (photo * now).sum(-1)).rad2deg()


def sines_to_photo(
    rays: Float[Tensor, "K 3"], mixed: Float[Tensor, "B K 3 4"], vertices: Float[Tensor, "B K 3"]
) -> Float[Tensor, "B K"]:
    """Sines between the directions in which the photo saw vertices, at rest, and those in which they are seen now."""
    photo = flip_camera_axes((mixed[..., :3] @ rays[:, :, None])[..., 0])
    return torch.linalg.cross(F.normalize(photo, dim=-1), F.normalize(vertices, dim=-1)).norm(dim=-1)


def fold_rim(avatar: Avatar, mixed: Float[Tensor, "B V 3 4"], vertices: Float[Tensor, "B V 3"]) -> None:
    """Move the edges of flat strips into the outline, in place, the farther they are seen from the photo's
    direction."""
    rim = avatar.rim
    edge = vertices[:, rim.vertices]
    share = smooth_ramp(sines_to_photo(rim.rays, mixed[:, rim.vertices], edge), *RIM_TURN)[..., None]
    vertices[:, rim.vertices] = edge.lerp(vertices[:, rim.outline], share)


def turn_flanks(
    avatar: Avatar, mixed: Float[Tensor, "B V 3 4"], vertices: Float[Tensor, "B V 3"]
) -> Float[Tensor, "B V 2"]:
    """Image points that the vertices show: flanks other ones, the farther they are seen from the photo's direction."""
    source, flanks = avatar.source.expand(len(vertices), -1, -1).clone(), avatar.flanks
    sine = sines_to_photo(flanks.rays, mixed[:, flanks.vertices], vertices[:, flanks.vertices])
    share = smooth_ramp(sine * flanks.steepness, *FLANK_TURN)[..., None]
    source[:, flanks.vertices] += (flanks.source - avatar.source[flanks.vertices]) * share
    return source
