"""For each vertex one on the other side of the body, front for back: clothes are often alike there."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROUND = 40  # vertices of a limb, at the same place in a front view, whose middle is taken for the limb's
CROWN = 0.86  # of the head's height; hair, if there is any, is seen above it from the front
NAPE = 0.3  # of the head's height, above which there is hair on the back of it


def find_opposite_vertices(
    template: Float[Tensor, "V 3"], limb: Int[Tensor, " V"], head: int, hands: tuple[int, int]
) -> tuple[Int[Tensor, " V"], Int[Tensor, " V"]]:
    """Vertices at rest, each of a limb. The back of the head is like the crown of it, the face is like nothing: itself;
    hands are like cheeks.

    Second, 1 where what is opposite has the same pattern, 0 where it has the same colours only.
    """
    out, alike = torch.arange(len(limb)), torch.ones_like(limb)
    for number in limb.unique().tolist():
        own = (limb == number).nonzero()[:, 0]
        place = template[own]
        out[own] = own[opposite_hair(place) if number == head else reflect_limb(place)]
    cheek = (limb == head).nonzero()[:, 0][cheek_vertices(template[limb == head])]
    for number in (head, *hands):
        alike[limb == number] = 0
    for number in hands:
        own = (limb == number).nonzero()[:, 0]
        out[own] = cheek[torch.arange(len(own)) % len(cheek)]
    return out, alike


def reflect_limb(place: Float[Tensor, "n 3"]) -> Int[Tensor, " n"]:
    """The nearest to where each would be if the limb's front were its back."""
    near = torch.cdist(place[:, :2], place[:, :2]).topk(min(ROUND, len(place)), largest=False).indices
    aim = place.clone()
    aim[:, 2] = 2 * place[near, 2].mean(1) - place[:, 2]
    return torch.cdist(aim, place).argmin(1)


def opposite_hair(place: Float[Tensor, "n 3"]) -> Int[Tensor, " n"]:
    low, high = place.amin(0), place.amax(0)
    tall = (place[:, 1] - low[1]) / (high[1] - low[1])
    middle = (low[2] + high[2]) / 2
    crown = ((tall > CROWN) & (place[:, 2] > middle)).nonzero()[:, 0]
    back = ((place[:, 2] < middle) & (tall > NAPE)).nonzero()[:, 0]
    out = torch.arange(len(place))
    out[back] = crown[(place[back, None, 0] - place[crown, 0]).abs().argmin(1)]
    return out


def cheek_vertices(place: Float[Tensor, "n 3"]) -> Int[Tensor, " c"]:
    low, high = place.amin(0), place.amax(0)
    part = (place - low) / (high - low)
    aside = (part[:, 0] - 0.5).abs()
    return ((part[:, 1] > 0.33) & (part[:, 1] < 0.5) & (part[:, 2] > 0.75) & (aside > 0.12) & (aside < 0.3)).nonzero()[
        :, 0
    ]
