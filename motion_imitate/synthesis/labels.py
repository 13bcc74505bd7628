"""Label synthetic people: the body layer and the kind of surface of each face of the dressed mesh."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from motion_imitate.avatar.parsing_net import LAYER_NAMES
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.synthesis.actor import Actor, MeshLayer
from motion_imitate.synthesis.figure import MeasuredBody
from motion_imitate.types import Raster

TRUNK, SKIRT, HAIR_LAYER = LAYER_NAMES.index("trunk"), LAYER_NAMES.index("skirt"), LAYER_NAMES.index("hair")
HAIR, FACE, SKIN, UPPER, LOWER, ONE_PIECE, SHOES, CARRIED = range(1, 9)
SWAPPED_LAYERS = (0, 1, 3, 2, 5, 4, 6, 7)  # seen in a mirror
ARM_JOINTS = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
LEG_JOINTS = ("upperleg", "lowerleg", "foot", "toe")


@dataclass(frozen=True)
class LabelledLayer:
    """A mesh of an actor, the kind of its faces, and which faces hang around both legs."""

    mesh: MeshLayer
    kind: UInt8[Tensor, " F"]
    hanging: Bool[Tensor, " F"]


@dataclass(frozen=True)
class LabelledActor:
    """An actor with the labels of its faces."""

    actor: Actor
    limbs: Float[Tensor, "N 4"]  # share of each vertex that rides on the left and right arm and the left and right leg
    fixed: UInt8[Tensor, " F"]  # the layer of faces that have one by name; 0: by limbs
    upper: UInt8[Tensor, " F"]  # the layer that replaces a leg's, where a shirt hangs over it; 0: none
    kind: UInt8[Tensor, " F"]


def label_actor(body: SkinnedBody, actor: Actor, layers: list[LabelledLayer]) -> LabelledActor:
    """The labels of an actor that `assemble_actor` built from the same meshes, which puts those with alpha last."""
    ordered = sorted(layers, key=lambda one: one.mesh.has_alpha_channel)
    kind, hanging = (torch.cat([getattr(one, name) for one in ordered]) for name in ("kind", "hanging"))
    groups = [
        [k for k, n in enumerate(body.joint_names) if n.startswith(starts) and n.endswith(side)]
        for starts in (ARM_JOINTS, LEG_JOINTS)
        for side in ("L", "R")
    ]
    limbs = torch.stack([actor.weights[:, joints].sum(1) for joints in groups], 1)
    fixed = torch.where(hanging, SKIRT, 0)
    fixed[kind == HAIR] = HAIR_LAYER
    low = actor.at[actor.faces, 1].mean(1) < float(actor.joints[body.joint_names.index("upperleg01.L"), 1]) - 0.14
    upper = torch.where(kind == UPPER, torch.where(low, SKIRT, TRUNK), 0)
    return LabelledActor(actor, limbs, fixed.to(torch.uint8), upper.to(torch.uint8), kind)


def label_skin(who: MeasuredBody, faces: Int[Tensor, "F 3"], scalp: Float[Tensor, " V"] | None) -> UInt8[Tensor, " F"]:
    """The kind of skin faces: face, bare skin, or hair where the scalp is painted.

    `scalp`: metres above the hairline, None for a bald head.
    """
    at = who.base.at[faces].mean(1)
    mouth, eye, ear = (who.points[f"{name}_left"] for name in ("mouth", "eye", "ear"))
    chin = mouth[1] - 0.75 * (eye[1] - mouth[1])
    back = ((ear[2] + 0.015 - at[:, 2]) / 0.03).clamp(0, 1)
    above = at[:, 1] > chin + back * (ear[1] - 0.03 - chin)
    kind = torch.where(above & who.head[faces].all(1), FACE, SKIN).to(torch.uint8)
    if scalp is not None:
        kind[scalp[faces].mean(1) > 0] = HAIR
    return kind


def render_label_maps(who: LabelledActor, raster: Raster) -> tuple[UInt8[Tensor, "B H W"], UInt8[Tensor, "B H W"]]:
    """Layer and kind at pixel centres, 0 in the background."""
    hit = (raster.face >= 0).nonzero(as_tuple=True)
    face = raster.face[hit]
    share, limb = (who.limbs[who.actor.faces[face]] * raster.weights[hit][..., None]).sum(1).max(1)
    layer = torch.where(share > 0.5, limb + LAYER_NAMES.index("arm_left"), TRUNK).to(torch.uint8)
    over = (layer >= LAYER_NAMES.index("leg_left")) & (who.upper[face] > 0)
    layer = torch.where(over, who.upper[face], layer)
    layer = torch.where(who.fixed[face] > 0, who.fixed[face], layer)
    layers, kinds = torch.zeros(2, *raster.face.shape, dtype=torch.uint8)
    layers[hit], kinds[hit] = layer, who.kind[face]
    return layers, kinds
