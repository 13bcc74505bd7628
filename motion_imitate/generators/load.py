"""Load a generator by name for a body model, with its weights."""

from functools import cache
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor

from motion_imitate import bodies
from motion_imitate.bodies.opposite import find_opposite_vertices
from motion_imitate.bodies.parts import ARM_PARTS, PART_LIMBS
from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.generators.geometric import GeometricGenerator
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF
from motion_imitate.generators.painter import Painter, face_uv_points
from motion_imitate.generators.retouch import RetouchGenerator
from motion_imitate.geometry.view import template_face_positions
from motion_imitate.types import BodyModel
from motion_imitate.weights import find_asset
from motion_imitate.weights import read_weights as stored


def load_geometric_generator(model: BodyModel, _: Path | None = None) -> GeometricGenerator:
    """The generator that carries the photo's own pixels on the body; it has no weights."""
    limbs = torch.tensor(PART_LIMBS)
    return GeometricGenerator(
        model.faces,
        model.mirror_vertices,
        load_opposite_vertices(model.name),
        limbs[model.parts],
        tuple(PART_LIMBS[k] for k in ARM_PARTS),
    )


@cache
def load_opposite_vertices(name: str) -> tuple[Int[Tensor, " V"], Int[Tensor, " V"]]:
    """For each vertex, the one opposite to it front to back, and 1 where that has the same pattern.

    Cached by body name. Computed on the bare body, because clothes would be mistaken for limbs.
    """
    model = cast(BodyModel, bodies.load_body(name))
    limb = torch.zeros(len(model.mirror_vertices), dtype=torch.int64)
    limb[model.faces.flatten()] = torch.tensor(PART_LIMBS)[model.parts].repeat_interleave(3)
    return find_opposite_vertices(model.skin.template, limb, PART_LIMBS[24], (PART_LIMBS[3], PART_LIMBS[4]))


def load_liquid_warping_generator(model: BodyModel, weights: Path | None = None) -> RetouchGenerator | Painter:
    """Networks that correct the geometric generator, or a published form that paints the whole person.

    The weights decide which; the shipped weights correct.
    """
    shape, source, target = load_trained_networks(weights or find_asset("liquid_warping.safetensors"))
    if shape == "corrections":
        raise ValueError(f"{weights} holds corrections of the avatar; give --renderer corrections")
    if shape == "small":
        return RetouchGenerator(load_geometric_generator(model), source, target, template_face_positions(model))
    return Painter(source, target, face_uv_points(model.uv))


def load_correction_networks(weights: Path | None) -> CorrectionNetworks:
    """Networks that correct the avatar's picture. None are shipped."""
    if weights is None:
        raise ValueError(
            "no weights of the renderer corrections are shipped; train them with `motion-imitate train corrections`, "
            "or give --weights"
        )
    if not hold_corrections(weights):
        raise ValueError(f"{weights} holds no corrections of the avatar; give --renderer liquid-warping")
    networks = CorrectionNetworks()
    _, networks.source, networks.target = load_trained_networks(weights)
    return networks.eval()


def hold_corrections(weights: Path) -> bool:
    """Whether a weights file holds networks that correct the avatar's picture."""
    return load_trained_networks(weights)[0] == "corrections"


@cache
def load_trained_networks(weights: Path) -> tuple[str, SID, TSF]:
    """Name of the network shape, SID and TSF stored in a weights file; cached by path."""
    about, tensors = stored(weights)
    shape = about.get("shape")
    if shape not in NETWORK_SHAPES:
        raise ValueError(f"{weights} does not say which networks it holds; give weights.safetensors of `train`")
    source, target = SID(NETWORK_SHAPES[shape]), TSF(NETWORK_SHAPES[shape])
    for net, name in ((source, "source."), (target, "target.")):
        net.load_state_dict({k.removeprefix(name): v.float() for k, v in tensors.items() if k.startswith(name)})
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return shape, source, target
