"""Heels and toes of a posed body without its mesh."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.types import Body, BodyModel

SIDES = ("left", "right")
SOLES = {"left": (29, 31), "right": (30, 32)}  # heel and toe among BlazePose's 33 keypoints


@dataclass(frozen=True)
class Feet:
    """The joints above a body's feet, parents first, and its heels and toes at rest; all linear in the shape."""

    joints: tuple[int, ...]
    parents: tuple[int, ...]  # places in `joints`, -1 for the root
    ankles: tuple[int, ...]  # places in `joints`, of the left and the right foot
    legs: tuple[tuple[int, int, int], ...]  # places in `joints` of hip, knee and ankle
    rest: Float[Tensor, "j 3"]
    rest_dirs: Float[Tensor, "S j 3"]
    soles: Float[Tensor, "4 3"]  # left heel, left toe, right heel, right toe
    sole_dirs: Float[Tensor, "S 4 3"]


def feet(model: BodyModel) -> Feet:
    """In double precision, since positions are later compared from frame to frame."""
    skin = model.skin
    bends = [[model.controls[f"{bend}_{side}"] for bend in ("hip", "knee", "ankle")] for side in SIDES]
    joints = sorted({above for _, _, ankle in bends for above in upward(ankle[-1], skin.parents)})
    place = {joint: i for i, joint in enumerate(joints)}
    soles = model.keypoints("blazepose33")[[row for side in SIDES for row in SOLES[side]]].to(skin.template)
    soles = soles.double()
    return Feet(
        joints=tuple(joints),
        parents=tuple(place.get(skin.parents[j], -1) for j in joints),
        ankles=tuple(place[ankle[-1]] for _, _, ankle in bends),
        legs=tuple((place[hip[0]], place[knee[0]], place[ankle[0]]) for hip, knee, ankle in bends),
        rest=skin.joints[joints].double(),
        rest_dirs=skin.joint_dirs[:, joints].double(),
        soles=soles @ skin.template.double(),
        sole_dirs=soles @ skin.shape_dirs.double(),
    )


def upward(joint: int, parents: tuple[int, ...]) -> list[int]:
    """A joint and all that carry it, up to the root."""
    return [joint, *upward(parents[joint], parents)] if joint >= 0 else []


def leg_length(feet: Feet, shape: Float[Tensor, "B S"]) -> Float[Tensor, " B"]:
    """From hip over knee to ankle, the mean of both legs."""
    rest = feet.rest + torch.einsum("bs,sji->bji", shape.to(feet.rest), feet.rest_dirs)
    legs = rest[:, torch.tensor(feet.legs)]  # [B, 2, 3, 3]
    bones = legs[:, :, 1:] - legs[:, :, :-1]
    return bones.square().sum(-1).sqrt().sum(-1).mean(-1)


def carried(feet: Feet, body: Body) -> tuple[Float[Tensor, "B j 3 3"], Float[Tensor, "B j 3"]]:
    """How the joints of `feet` are turned in body space, and where they are from the root."""
    rest = feet.rest + torch.einsum("bs,sji->bji", body.shape, feet.rest_dirs)
    local = body.pose[:, list(feet.joints)]
    turns, places = [local[:, 0]], [torch.zeros_like(rest[:, 0])]
    for j, p in enumerate(feet.parents[1:], start=1):
        places.append(places[p] + (turns[p] @ (rest[:, j] - rest[:, p])[..., None])[..., 0])
        turns.append(turns[p] @ local[:, j])
    return torch.stack(turns, 1), torch.stack(places, 1)


def soles(feet: Feet, body: Body) -> Float[Tensor, "B 4 3"]:
    """Left heel, left toe, right heel, right toe, in body space from the root, were a foot as stiff as a boot."""
    body = body.map(lambda t: t.to(feet.rest))
    turns, places = carried(feet, body)
    ankles = list(feet.ankles)
    ankle = (feet.rest + torch.einsum("bs,sji->bji", body.shape, feet.rest_dirs))[:, ankles, None]
    arms = (feet.soles + torch.einsum("bs,ski->bki", body.shape, feet.sole_dirs)).view(-1, 2, 2, 3) - ankle
    return (torch.einsum("bfij,bfkj->bfki", turns[:, ankles], arms) + places[:, ankles, None]).flatten(1, 2)
