"""Show the body model's hand once a wrist has left the place where the photo hides its hand."""

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.avatar import HAND_MOVES, Avatar
from motion_imitate.types import BodyModel

HIDDEN_REACH, SHOWN_REACH = 0.03, 0.13  # metres of the wrist from its place in the photo, over which the hand appears


def append_hand_moves(
    avatar: Avatar,
    model: BodyModel,
    moves: Float[Tensor, "B J 3 4"],
    held: Float[Tensor, "B J 3 4"],
    places: Float[Tensor, "B J 3"],
) -> Float[Tensor, "B M 3 4"]:
    """The joints' movements `held`, then `HAND_MOVES` for each hidden hand: what the hand's vertices move with, which
    grows out of the wrist, and what the end of its sleeve moves with, which shrinks into it."""
    every = [held]
    for wrist in avatar.hidden_wrists:
        shown = hand_shown_share(avatar, model, moves, places, wrist)[:, None, None, None]
        pivot = places[:, wrist, None, :, None]
        hand = moves[:, [wrist, model.skin.parents[wrist]]]
        for scale, part in ((shown, hand), (1 - shown, held[:, [wrist]])):
            every.append(torch.cat([part[..., :3] * scale, part[..., 3:] * scale + pivot * (1 - scale)], -1))
    return torch.cat(every, 1)


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
