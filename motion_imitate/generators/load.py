"""Load a generator or the avatar's corrections, with their weights."""

from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from motion_imitate.generators import GENERATORS
from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.generators.dense_pose_painter import DensePosePainter
from motion_imitate.generators.dense_pose_transfer import DENSE_POSE_FORMS, DensePoseNetworks
from motion_imitate.generators.detail_painter import DetailPainter
from motion_imitate.generators.detail_replenishing import DETAIL_FORMS, DetailReplenishingNetworks
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF
from motion_imitate.generators.painter import Painter, face_uv_points
from motion_imitate.generators.pose_guided import PoseGuidedNetworks, pose_guided_form
from motion_imitate.generators.pose_guided_painter import PoseGuidedPainter
from motion_imitate.generators.view_keypoints import ViewKeypoints
from motion_imitate.types import BodyModel
from motion_imitate.weights import MissingWeights, find_asset
from motion_imitate.weights import read_weights as stored

NetworksT = TypeVar("NetworksT", bound=nn.Module)


def load_liquid_warping_generator(model: BodyModel, weights: Path | None = None) -> Painter:
    """The published networks, which paint the whole person."""
    _, source, target = load_trained_networks(find_weights("liquid-warping", weights))
    return Painter(source, target, face_uv_points(model.uv))


def load_dense_pose_generator(model: BodyModel, weights: Path | None = None) -> DensePosePainter:
    """Dense Pose Transfer, which paints the whole person."""
    about, tensors = stored(find_weights("dense-pose", weights))
    networks = fill_networks(DensePoseNetworks(DENSE_POSE_FORMS[about["form"]]), tensors)
    return DensePosePainter(networks, model.parts, model.iuv, max(about["size"]))


def load_pose_guided_generator(model: BodyModel, weights: Path | None = None) -> PoseGuidedPainter:
    """PG2, which paints the whole person from keypoints."""
    about, tensors = stored(find_weights("pg2", weights))
    height, width = about["size"]
    networks = fill_networks(PoseGuidedNetworks(pose_guided_form(about["form"], (height, width))), tensors)
    return PoseGuidedPainter(networks, ViewKeypoints.of(model))


def load_detail_generator(model: BodyModel, weights: Path | None = None) -> DetailPainter:
    """DRN, which paints the whole person from keypoints, and the face once more."""
    about, tensors = stored(find_weights("drn", weights))
    height, width = about["size"]
    networks = fill_networks(DetailReplenishingNetworks(DETAIL_FORMS[about["form"]]), tensors)
    return DetailPainter(networks, ViewKeypoints.of(model), (height, width))


def fill_networks(networks: NetworksT, tensors: dict[str, Tensor]) -> NetworksT:
    """Networks with stored weights."""
    networks.load_state_dict({k: v.float() for k, v in tensors.items()})
    networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return networks


def load_correction_networks(weights: Path | None) -> CorrectionNetworks:
    """Networks that correct the avatar's picture."""
    networks = CorrectionNetworks()
    _, networks.source, networks.target = load_trained_networks(find_weights("corrections", weights))
    return networks.eval()


def find_weights(renderer: str, weights: Path | None = None) -> Path:
    """The weights given, or else those that are shipped; raises ValueError if there are none for the renderer."""
    found = weights or shipped_weights(renderer)
    if found is None:
        raise ValueError(missing_weights(renderer))
    check_weights_renderer(found, renderer)
    return found


def missing_weights(renderer: str) -> str:
    """What is to be done where a renderer has no weights."""
    return (
        f"no weights of the renderer {renderer} are shipped; train them with `motion-imitate train {renderer}`, "
        "or give --weights"
    )


def shipped_weights(renderer: str) -> Path | None:
    """The weights of a renderer that the package holds, if it does."""
    try:
        return find_asset(f"{renderer}.safetensors")
    except MissingWeights:
        return None


def check_weights_renderer(weights: Path, renderer: str) -> None:
    """Raise ValueError if weights are of another renderer."""
    own = find_renderer_of_weights(weights)
    if own != renderer:
        raise ValueError(f"{weights} holds networks of the renderer {own}; give --renderer {own}")


def find_renderer_of_weights(weights: Path) -> str:
    """The renderer whose networks a weights file holds."""
    system = stored(weights)[0].get("system")
    if system in GENERATORS:
        return str(system)
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
