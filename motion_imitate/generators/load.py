"""Load a generator or the avatar's corrections, with their weights."""

from functools import cache
from pathlib import Path

import torch

from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.generators.dense_pose_painter import DensePosePainter
from motion_imitate.generators.dense_pose_transfer import DENSE_POSE_FORMS, DensePoseNetworks
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF
from motion_imitate.generators.painter import Painter, face_uv_points
from motion_imitate.types import BodyModel
from motion_imitate.weights import read_weights as stored


def load_liquid_warping_generator(model: BodyModel, weights: Path | None = None) -> Painter:
    """The published networks, which paint the whole person. No weights are shipped."""
    if weights is None:
        raise ValueError(missing_weights("liquid-warping"))
    check_weights_renderer(weights, "liquid-warping")
    _, source, target = load_trained_networks(weights)
    return Painter(source, target, face_uv_points(model.uv))


def load_dense_pose_generator(model: BodyModel, weights: Path | None = None) -> DensePosePainter:
    """Dense Pose Transfer, which paints the whole person. No weights are shipped."""
    if weights is None:
        raise ValueError(missing_weights("dense-pose"))
    check_weights_renderer(weights, "dense-pose")
    about, tensors = stored(weights)
    networks = DensePoseNetworks(DENSE_POSE_FORMS[about["form"]])
    networks.load_state_dict({k: v.float() for k, v in tensors.items()})
    networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return DensePosePainter(networks, model.parts, model.iuv, max(about["size"]))


def load_correction_networks(weights: Path | None) -> CorrectionNetworks:
    """Networks that correct the avatar's picture. No weights are shipped."""
    if weights is None:
        raise ValueError(missing_weights("corrections"))
    check_weights_renderer(weights, "corrections")
    networks = CorrectionNetworks()
    _, networks.source, networks.target = load_trained_networks(weights)
    return networks.eval()


def missing_weights(renderer: str) -> str:
    """What is to be done where a renderer has no weights."""
    return (
        f"no weights of the renderer {renderer} are shipped; train them with `motion-imitate train {renderer}`, "
        "or give --weights"
    )


def check_weights_renderer(weights: Path, renderer: str) -> None:
    """Raise ValueError if weights are of another renderer."""
    own = find_renderer_of_weights(weights)
    if own != renderer:
        raise ValueError(f"{weights} holds networks of the renderer {own}; give --renderer {own}")


def find_renderer_of_weights(weights: Path) -> str:
    """The renderer whose networks a weights file holds."""
    if stored(weights)[0].get("system") == "dense-pose":
        return "dense-pose"
    return "corrections" if load_trained_networks(weights)[0] == "corrections" else "liquid-warping"


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
