"""Builds a generator by name for a body model, with its weights."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.bodies.opposite import opposite
from motion_imitate.bodies.parts import ARMS, LIMBS
from motion_imitate.generators.geometric import Geometric
from motion_imitate.generators.liquid_warping import SHAPES, SID, TSF
from motion_imitate.generators.painter import Painter, middles
from motion_imitate.generators.retouch import Retouch
from motion_imitate.types import BodyModel, Generator
from motion_imitate.weights import find
from motion_imitate.weights import read as stored


def geometric(model: BodyModel) -> Geometric:
    limbs = torch.tensor(LIMBS)
    return Geometric(
        model.faces, model.mirror_vertices, opposites(model.name), limbs[model.parts], tuple(LIMBS[k] for k in ARMS)
    )


@cache
def opposites(name: str) -> tuple[Int[Tensor, " V"], Int[Tensor, " V"]]:
    """Of the bare body: what the dressed one has on would be taken for its limbs."""
    model = cast(BodyModel, bodies.load(name))
    limb = torch.zeros(len(model.mirror_vertices), dtype=torch.int64)
    limb[model.faces.flatten()] = torch.tensor(LIMBS)[model.parts].repeat_interleave(3)
    return opposite(model.skin.template, limb, LIMBS[24], (LIMBS[3], LIMBS[4]))


def liquid_warping(model: BodyModel, weights: Path | None = None) -> Retouch | Painter:
    """Networks that mend what the geometric generator draws, or those of the published forms, which paint the person
    themselves: as the weights are. Those that ship mend."""
    shape, source, target = trained(weights or find("liquid_warping.safetensors"))
    if shape == "small":
        return Retouch(geometric(model), source, target, places(model))
    return Painter(source, target, middles(model.uv))


@cache
def trained(weights: Path) -> tuple[str, SID, TSF]:
    about, tensors = stored(weights)
    shape = about.get("shape")
    if shape not in SHAPES:
        raise ValueError(f"{weights} does not say which networks it is of; give weights.safetensors of `train`")
    source, target = SID(SHAPES[shape]), TSF(SHAPES[shape])
    for net, name in ((source, "source."), (target, "target.")):
        net.load_state_dict({k.removeprefix(name): v.float() for k, v in tensors.items() if k.startswith(name)})
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return shape, source, target


def places(model: BodyModel) -> Float[Tensor, "F 3"]:
    """Where each face is on the resting body: the middle of it all is 0, and 1 half its height away."""
    at = model.skin.template
    middle = (at.amax(0) + at.amin(0)) / 2
    return (at[model.faces].mean(1) - middle) / (at[:, 1].amax() - at[:, 1].amin()) * 2


RENDERERS: dict[str, Callable[[BodyModel], Generator]] = {  # type: ignore[type-arg]
    "geometric": geometric,
    "liquid-warping": liquid_warping,
}


def renderers(weights: Path | None) -> dict[str, Callable[[BodyModel], Generator]]:  # type: ignore[type-arg]
    """All of them, with these weights if they are given."""
    return RENDERERS | {"liquid-warping": partial(liquid_warping, weights=weights)}
