"""Move an avatar from the body that it was built for to one of another shape."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.body_surface import rigid_hand_weights
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.types import BodyModel

RIGIDITY = 0.02  # metres of body to each side of a joint's centre, that count as keeping their size

BodyAtRest = tuple[BodyModel, Float[Tensor, "1 S"]]  # a bare body, and its shape


def reshape_avatar(avatar: Avatar, given: BodyAtRest, wanted: BodyAtRest) -> Avatar:
    """The avatar of the `given` body on the `wanted` one: vertices follow the skin around them, so that clothes keep
    their offsets from it."""
    maps = fit_joint_maps(given, wanted)
    carriers = list(range(len(maps)))
    for hand in avatar.body_hands:
        carriers += hand.carriers(given[0].skin.parents)
    mixed = torch.einsum("vk,vkab->vab", avatar.weights, maps[torch.tensor(carriers)][avatar.joints])
    return replace(avatar, rest=(mixed[:, :, :3] @ avatar.rest[:, :, None])[..., 0] + mixed[:, :, 3])


def fit_joint_maps(given: BodyAtRest, wanted: BodyAtRest) -> Float[Tensor, "J 3 4"]:
    """For each joint the affine map that best moves the skin around it from one body at rest to the other."""
    (x, from_joints), (y, to_joints) = (
        (points[0].double() for points in rest_shape(model.skin, shape)) for model, shape in (given, wanted)
    )
    weights = rigid_hand_weights(given[0]).double().T
    mass = weights.sum(1)
    share = weights / mass.clamp(min=1e-9)[:, None]
    own = (mass > 1e-3)[:, None]
    centre, goal = torch.where(own, share @ x, from_joints), torch.where(own, share @ y, to_joints)
    away, moved = x - centre[:, None], y - goal[:, None]
    same = RIGIDITY**2 * torch.eye(3, dtype=x.dtype)
    spread = torch.einsum("jv,jva,jvb->jab", share, away, away) + same
    turned = torch.einsum("jv,jva,jvb->jab", share, moved, away) + same
    linear = torch.linalg.solve(spread, turned, left=False)
    return torch.cat([linear, (goal - (linear @ centre[..., None])[..., 0])[..., None]], 2).float()
