"""Compute heels and toes of a posed body without its mesh."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.types import Body, BodyModel

FOOT_SIDES = ("left", "right")
SOLE_KEYPOINTS = {"left": (29, 31), "right": (30, 32)}  # heel and toe among BlazePose's 33 keypoints


@dataclass(frozen=True)
class FootSkeleton:
    """The joints that carry a body's feet, parents first, and its heels and toes at rest; all linear in the shape."""

    joints: tuple[int, ...]
    parents: tuple[int, ...]  # indices into `joints`, -1 for the root
    ankles: tuple[int, ...]  # indices into `joints`: left and right foot
    legs: tuple[tuple[int, int, int], ...]  # indices into `joints` of hip, knee and ankle
    rest: Float[Tensor, "j 3"]
    rest_dirs: Float[Tensor, "S j 3"]
    soles: Float[Tensor, "4 3"]  # left heel, left toe, right heel, right toe
    sole_dirs: Float[Tensor, "S 4 3"]


def build_foot_skeleton(model: BodyModel) -> FootSkeleton:
    """Extract the foot skeleton in double precision, because positions are later compared between frames."""
    skin = model.skin
    bends = [[model.controls[f"{bend}_{side}"] for bend in ("hip", "knee", "ankle")] for side in FOOT_SIDES]
    joints = sorted({above for _, _, ankle in bends for above in joint_ancestors(ankle[-1], skin.parents)})
    place = {joint: i for i, joint in enumerate(joints)}
    soles = model.keypoints("blazepose33")[[row for side in FOOT_SIDES for row in SOLE_KEYPOINTS[side]]].to(
        skin.template
    )
    soles = soles.double()
    return FootSkeleton(
        joints=tuple(joints),
        parents=tuple(place.get(skin.parents[j], -1) for j in joints),
        ankles=tuple(place[ankle[-1]] for _, _, ankle in bends),
        legs=tuple((place[hip[0]], place[knee[0]], place[ankle[0]]) for hip, knee, ankle in bends),
        rest=skin.joints[joints].double(),
        rest_dirs=skin.joint_dirs[:, joints].double(),
        soles=soles @ skin.template.double(),
        sole_dirs=soles @ skin.shape_dirs.double(),
    )


def joint_ancestors(joint: int, parents: tuple[int, ...]) -> list[int]:
    """A joint and its ancestors, up to the root."""
    return [joint, *joint_ancestors(parents[joint], parents)] if joint >= 0 else []


def leg_length(feet: FootSkeleton, shape: Float[Tensor, "B S"]) -> Float[Tensor, " B"]:
    """Length from hip over knee to ankle, averaged over both legs."""
    rest = feet.rest + torch.einsum("bs,sji->bji", shape.to(feet.rest), feet.rest_dirs)
    legs = rest[:, torch.tensor(feet.legs)]  # [B, 2, 3, 3]
    bones = legs[:, :, 1:] - legs[:, :, :-1]
    return bones.square().sum(-1).sqrt().sum(-1).mean(-1)


def foot_joint_transforms(feet: FootSkeleton, body: Body) -> tuple[Float[Tensor, "B j 3 3"], Float[Tensor, "B j 3"]]:
    """Global rotations of the skeleton's joints, and their positions relative to the root, in body space."""
    rest = feet.rest + torch.einsum("bs,sji->bji", body.shape, feet.rest_dirs)
    local = body.pose[:, list(feet.joints)]
    turns, places = [local[:, 0]], [torch.zeros_like(rest[:, 0])]
    for j, p in enumerate(feet.parents[1:], start=1):
        places.append(places[p] + (turns[p] @ (rest[:, j] - rest[:, p])[..., None])[..., 0])
        turns.append(turns[p] @ local[:, j])
    return torch.stack(turns, 1), torch.stack(places, 1)


def sole_points(feet: FootSkeleton, body: Body) -> Float[Tensor, "B 4 3"]:
    """Left heel, left toe, right heel, right toe in body space, relative to the root; the foot is treated as rigid."""
    body = body.map(lambda t: t.to(feet.rest))
    turns, places = foot_joint_transforms(feet, body)
    ankles = list(feet.ankles)
    ankle = (feet.rest + torch.einsum("bs,sji->bji", body.shape, feet.rest_dirs))[:, ankles, None]
    arms = (feet.soles + torch.einsum("bs,ski->bki", body.shape, feet.sole_dirs)).view(-1, 2, 2, 3) - ankle
    return (torch.einsum("bfij,bfkj->bfki", turns[:, ankles], arms) + places[:, ankles, None]).flatten(1, 2)
