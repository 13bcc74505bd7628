"""The systems that are compared on pairs of views from a store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate.generators.dense_pose_transfer import DENSE_POSE_FORMS, DensePoseNetworks
from motion_imitate.generators.detail_replenishing import DETAIL_FORMS, DetailReplenishingNetworks
from motion_imitate.generators.pose_guided import PoseGuidedNetworks, pose_guided_form
from motion_imitate.training.detail_samples import DetailSample
from motion_imitate.training.pair_inputs import photo_over_grey, to_unit_range, truth_over_grey
from motion_imitate.training.store_pairs import PairBatch
from motion_imitate.weights import read_weights
from pipelines.output_path import UsageError
from pipelines.train.dense_pose import DensePoseSample
from pipelines.train.pose_guided import PoseGuidedSample

DrawPairs = Callable[[PairBatch], Float[Tensor, "B 3 H W"]]  # the people of the targets, in [-1, 1] over grey


def draw_with_pose_guided(about: dict[str, Any]) -> tuple[nn.Module, DrawPairs]:
    """The networks of PG2, and what they draw."""
    net = PoseGuidedNetworks(pose_guided_form(about["form"], (about["size"][0], about["size"][1])))

    def draw(pairs: PairBatch) -> Tensor:
        sample = PoseGuidedSample.of(pairs)
        return net(sample.photo, sample.pose).fine

    return net, draw


def draw_with_detail(about: dict[str, Any]) -> tuple[nn.Module, DrawPairs]:
    """The networks of DRN, and what they draw."""
    config = DETAIL_FORMS[about["form"]]
    net = DetailReplenishingNetworks(config)
    return net, lambda pairs: net(DetailSample.of(pairs, config.face_side).given).fine


def draw_with_dense_pose(about: dict[str, Any]) -> tuple[nn.Module, DrawPairs]:
    """The networks of Dense Pose Transfer, and what they draw."""
    config = DENSE_POSE_FORMS[about["form"]]
    net = DensePoseNetworks(config)

    def draw(pairs: PairBatch) -> Tensor:
        sample = DensePoseSample.of(pairs, config.atlas)
        return net(sample.photo, sample.source, sample.target, sample.share).drawn

    return net, draw


TRAINED_SYSTEMS: dict[str, Callable[[dict[str, Any]], tuple[nn.Module, DrawPairs]]] = {
    "pg2": draw_with_pose_guided,
    "drn": draw_with_detail,
    "dense-pose": draw_with_dense_pose,
}
UNTRAINED_SYSTEMS: dict[str, DrawPairs] = {
    "truth": lambda pairs: truth_over_grey(pairs.target),
    "copy": lambda pairs: photo_over_grey(pairs.source),
}


def load_store_system(path: Path, size: tuple[int, int]) -> DrawPairs:
    """The system whose weights these are, for pictures of this size."""
    about, tensors = read_weights(path)
    if about.get("system") not in TRAINED_SYSTEMS:
        raise UsageError(
            f"{path} holds no system that draws from pairs of a store; give weights of {', '.join(TRAINED_SYSTEMS)}"
        )
    if tuple(about["size"]) != size:
        trained, given = ("x".join(map(str, sides)) for sides in (about["size"], size))
        raise UsageError(f"{path} was trained on pictures of {trained}, the store's are {given}; give such a store")
    net, draw = TRAINED_SYSTEMS[about["system"]](about)
    net.load_state_dict({name: value.float() for name, value in tensors.items()})
    net.eval()
    return draw


def open_store_systems(
    wanted: tuple[str, ...], weights: dict[str, Path], size: tuple[int, int]
) -> dict[str, Callable[[PairBatch], Float[Tensor, "B 3 H W"]]]:
    """The wanted systems by name; their pictures are in [0, 1]."""
    known = [*UNTRAINED_SYSTEMS, *weights]
    unknown = [name for name in wanted if name != "all" and name not in known]
    if unknown:
        raise UsageError(
            f"no system {unknown[0]!r}; choose all or some of {', '.join(known)}, or give --weights {unknown[0]}=FILE"
        )
    chosen = known if "all" in wanted else [name for name in known if name in wanted]
    ways = {name: UNTRAINED_SYSTEMS.get(name) or load_store_system(weights[name], size) for name in chosen}

    def in_unit_range(draw: DrawPairs) -> DrawPairs:
        return torch.no_grad()(lambda pairs: to_unit_range(draw(pairs)))

    return {name: in_unit_range(draw) for name, draw in ways.items()}
