"""Show the body's hand instead of the photo's, once the hand has turned or the wrist has left its place."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.geometry.rotations import interpolate_rotations
from motion_imitate.types import BodyModel

HIDDEN_REACH = (0.02, 0.09)  # metres of the wrist from its place in the photo, over which a hidden hand appears
SEEN_REACH = (0.07, 0.1)  # the same, over which the body's hand replaces one that the photo shows
HAND_TURN = (18.0, 24.0)  # degrees of a hand from the photo's view, over which the body's replaces it


class AvatarMoves(NamedTuple):
    """How an avatar moves in B poses."""

    joints: Float[Tensor, "B M 3 4"]  # of the body, then `HAND_MOVES` for each of its hands
    gone: Float[Tensor, "B N"]  # how much of the photo's hand has gone, where the body's takes its place


def append_hand_moves(
    avatar: Avatar,
    model: BodyModel,
    moves: Float[Tensor, "B J 3 4"],
    held: Float[Tensor, "B J 3 4"],
    places: Float[Tensor, "B J 3"],
) -> AvatarMoves:
    """The joints' movements `held`, then `HAND_MOVES` for each hand of the body, which grows out of its sleeve or out
    of the photo's hand, while what the photo shows beyond the wrist shrinks into it. Meanwhile the body's hand turns
    from `held` to `moves`."""
    every, left = [held], [held.new_zeros(len(held), 0)]
    for body_hand in avatar.body_hands:
        away = wrist_distance(avatar, model, moves, places, body_hand.wrist)
        if body_hand.seen:
            turn = smooth_ramp(hand_turn(avatar, moves, body_hand.wrist), *HAND_TURN)
            turn = turn.maximum(smooth_ramp(away, *SEEN_REACH))
            shown, gone = (2 * turn).clamp(max=1), (2 * turn - 1).clamp(min=0)  # one of them always has its full size
        else:
            turn = shown = gone = smooth_ramp(away, *HIDDEN_REACH)
        elbow, wrist = places[:, body_hand.elbow], places[:, body_hand.wrist]
        carriers = list(body_hand.carriers(model.skin.parents))
        pair, ends = carriers[:2], carriers[2:]
        hand = turn_between(held[:, pair], moves[:, pair], places[:, pair], turn[:, None])
        every += [
            scale_about(hand, elbow.lerp(wrist, body_hand.end), shown[:, None]),
            scale_about(held[:, ends], wrist, 1 - gone[:, None]),
        ]
        left.append(gone[:, None])
    return AvatarMoves(torch.cat(every, 1), torch.cat(left, 1))


def turn_between(
    first: Float[Tensor, "B N 3 4"], last: Float[Tensor, "B N 3 4"], pivots: Float[Tensor, "B N 3"], share: Tensor
) -> Float[Tensor, "B N 3 4"]:
    """Movements between two that leave the same points at the same pivots."""
    turns = interpolate_rotations(first[..., :3], last[..., :3], share.expand(pivots.shape[:2]))
    pivot = pivots[..., None]
    at_rest = last[..., :3].mT @ (pivot - last[..., 3:])
    return torch.cat([turns, pivot - turns @ at_rest], -1)


def scale_about(
    moves: Float[Tensor, "B N 3 4"], pivot: Float[Tensor, "B 3"], scale: Float[Tensor, "B 1"]
) -> Float[Tensor, "B N 3 4"]:
    """Movements, followed by scaling about a point."""
    shift = (pivot * (1 - scale))[:, None, :, None]
    moved = moves * scale[..., None, None]
    return torch.cat([moved[..., :3], moved[..., 3:] + shift], -1)


def wrist_distance(
    avatar: Avatar, model: BodyModel, moves: Float[Tensor, "B J 3 4"], places: Float[Tensor, "B J 3"], wrist: int
) -> Float[Tensor, " B"]:
    """Metres of a wrist from its place in the photo, as seen from the hips or from the chest, whichever is less."""
    away = []
    for carrier in (0, model.controls["spine_high"][0]):
        turn = moves[:, carrier, :, :3] @ avatar.photo_turns[carrier].mT
        reach = avatar.photo_places[wrist] - avatar.photo_places[carrier]
        away.append((places[:, wrist] - places[:, carrier] - turn @ reach).norm(dim=-1))
    return torch.minimum(*away)


def hand_turn(avatar: Avatar, moves: Float[Tensor, "B J 3 4"], wrist: int) -> Float[Tensor, " B"]:
    """Degrees between the side of a hand that faced the camera in the photo and the camera."""
    facing = (moves[:, wrist, :, :3] @ avatar.photo_turns[wrist].mT)[:, :, 2]
    return torch.atan2(facing[:, :2].norm(dim=1), facing[:, 2]).rad2deg()


def smooth_ramp(values: Float[Tensor, "*n"], low: float, high: float) -> Float[Tensor, "*n"]:
    """0 below `low`, 1 above `high`, smooth between them."""
    share = ((values - low) / (high - low)).clamp(0, 1)
    return share.square() * (3 - 2 * share)
