"""Undo the twist of forearms and hands since the photo: a hand cut from a photo is flat, thin when seen edge-on."""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import BodyModel

FADE_ANGLE = 0.7  # radians before half a turn, over which the twist is left alone more and more

Segment = tuple[int, int, int, float]  # the joint, where its segment starts and ends, and the share of twist undone


@lru_cache(maxsize=8)
def arm_segments(parents: tuple[int, ...], elbows: tuple[int, ...], wrists: tuple[int, ...]) -> tuple[Segment, ...]:
    """The joints from elbow to wrist, along which the undone twist grows, and the wrist."""
    segments: list[Segment] = []
    for elbow, wrist in zip(elbows, wrists, strict=True):
        chain = [wrist]
        while chain[-1] != elbow:
            chain.append(parents[chain[-1]])
        count = len(chain) - 1
        segments += [(joint, elbow, wrist, (k + 0.6) / (count + 0.2)) for k, joint in enumerate(reversed(chain[1:]))]
        fingers = [joint for joint, parent in enumerate(parents) if parent == wrist]
        if fingers:
            segments.append((wrist, wrist, fingers[len(fingers) // 2], 1.0))
    return tuple(segments)


def undo_arm_twist(
    model: BodyModel,
    moves: Float[Tensor, "B J 3 4"],
    places: Float[Tensor, "B J 3"],
    photo_turns: Float[Tensor, "J 3 3"],
    photo_places: Float[Tensor, "J 3"],
) -> Float[Tensor, "B J 3 4"]:
    """The joints' movements from rest, with the twist of forearms and hands about their own axes since the photo
    undone, as seen from the trunk."""
    controls = model.controls
    elbows, wrists = (tuple(controls[f"{name}_{side}"][0] for side in ("left", "right")) for name in ("elbow", "wrist"))
    segments = arm_segments(model.skin.parents, elbows, wrists)
    joint, start, end = (list(column) for column in zip(*(segment[:3] for segment in segments), strict=True))
    shares = moves.new_tensor([segment[3] for segment in segments])
    since = moves[..., :3] @ photo_turns.mT  # [B, J, 3, 3]
    trunk = since[:, controls["spine_high"][0]]
    axis = F.normalize((since[:, joint] @ (photo_places[end] - photo_places[start])[..., None])[..., 0], dim=-1)
    facing = project_away(since[:, joint, :, 2], axis)
    wanted = project_away(trunk[:, None, :, 2].expand_as(axis), axis)
    sine = (torch.linalg.cross(wanted, facing) * axis).sum(-1)
    angle = torch.atan2(sine, (wanted * facing).sum(-1))
    firm = (4 * facing.square().sum(-1)).clamp(max=1) * (4 * wanted.square().sum(-1)).clamp(max=1)
    fade = ((math.pi - angle.abs()) / FADE_ANGLE).clamp(0, 1)
    back = -shares * firm * angle * fade.square() * (3 - 2 * fade)
    turn = rotation_vector_to_matrix(axis * back[..., None])
    pivot = places[:, start, :, None]
    held = moves.clone()
    held[:, joint, :, :3] = turn @ moves[:, joint, :, :3]
    held[:, joint, :, 3:] = turn @ (moves[:, joint, :, 3:] - pivot) + pivot
    return held


def project_away(direction: Float[Tensor, "*n 3"], axis: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """The part of a direction that is perpendicular to a unit axis."""
    return direction - (direction * axis).sum(-1, keepdim=True) * axis
