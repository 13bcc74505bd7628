"""Show the body model's hand once a wrist has left the place where the photo hides its hand."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.types import BodyModel

HIDDEN_REACH, SHOWN_REACH = 0.02, 0.09  # metres of the wrist from its place in the photo, over which the hand appears


def append_hand_moves(
    avatar: Avatar,
    model: BodyModel,
    moves: Float[Tensor, "B J 3 4"],
    held: Float[Tensor, "B J 3 4"],
    places: Float[Tensor, "B J 3"],
) -> Float[Tensor, "B M 3 4"]:
    """The joints' movements `held`, then `HAND_MOVES` for each hidden hand: the hand grows out of its sleeve, whose end
    beyond the wrist shrinks into the wrist. The hand's own turns are those of `moves`."""
    every = [held]
    for hidden in avatar.hidden_hands:
        shown = hand_shown_share(avatar, model, moves, places, hidden.wrist)[:, None]
        elbow, wrist = places[:, hidden.elbow], places[:, hidden.wrist]
        hand = moves[:, [hidden.wrist, model.skin.parents[hidden.wrist]]]
        every += [
            scale_about(hand, elbow.lerp(wrist, hidden.end), shown),
            scale_about(held[:, [hidden.wrist]], wrist, 1 - shown),
        ]
    return torch.cat(every, 1)


def scale_about(
    moves: Float[Tensor, "B N 3 4"], pivot: Float[Tensor, "B 3"], scale: Float[Tensor, "B 1"]
) -> Float[Tensor, "B N 3 4"]:
    """Movements, followed by scaling about a point."""
    shift = (pivot * (1 - scale))[:, None, :, None]
    moved = moves * scale[..., None, None]
    return torch.cat([moved[..., :3], moved[..., 3:] + shift], -1)


def hand_shown_share(
    avatar: Avatar, model: BodyModel, moves: Float[Tensor, "B J 3 4"], places: Float[Tensor, "B J 3"], wrist: int
) -> Float[Tensor, " B"]:
    """0 while the wrist is where the photo shows it, as seen from the hips or from the chest; 1 once it has left."""
    away = []
    for carrier in (0, model.controls["spine_high"][0]):
        turn = moves[:, carrier, :, :3] @ avatar.photo_turns[carrier].mT
        reach = avatar.photo_places[wrist] - avatar.photo_places[carrier]
        away.append((places[:, wrist] - places[:, carrier] - turn @ reach).norm(dim=-1))
    share = ((torch.minimum(*away) - HIDDEN_REACH) / (SHOWN_REACH - HIDDEN_REACH)).clamp(0, 1)
    return share.square() * (3 - 2 * share)
