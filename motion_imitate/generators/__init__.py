"""Generators draw a person for a view of their body.

To add one, write a module here with a function that takes a body model and the path of weights or None, and returns a
`types.Generator`; and add an entry to `GENERATORS`. The option --renderer reads this table. It imports nothing heavy,
so that --help stays fast.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motion_imitate.types import BodyModel, Generator


@dataclass(frozen=True)
class GeneratorEntry:
    """Where a generator is loaded from, and what it does in one phrase."""

    loader: str  # module:function; called with the body model and the path of the weights, or None
    summary: str


GENERATORS = {
    "liquid-warping": GeneratorEntry(
        "motion_imitate.generators.load:load_liquid_warping_generator",
        "lets published networks paint the person, which need --weights",
    ),
    "dense-pose": GeneratorEntry(
        "motion_imitate.generators.load:load_dense_pose_generator",
        "lets Dense Pose Transfer paint the person, small and blurred",
    ),
    "drn": GeneratorEntry(
        "motion_imitate.generators.load:load_detail_generator",
        "lets the detail-replenishing network paint the person from keypoints, small and blurred",
    ),
    "pg2": GeneratorEntry(
        "motion_imitate.generators.load:load_pose_guided_generator",
        "lets PG2 paint the person from keypoints, small and blurred",
    ),
}


AUTO_RENDERER, AVATAR_RENDERER, CORRECTIONS_RENDERER = "auto", "avatar", "corrections"
RENDERERS = {
    AUTO_RENDERER: "the avatar, or else dense-pose or drn, for photos of which no avatar can be made",
    AVATAR_RENDERER: "cuts the person out of the photo in layers, as a mesh that moves with the body",
    CORRECTIONS_RENDERER: "corrects the avatar's picture with networks, which need --weights",
} | {name: entry.summary for name, entry in GENERATORS.items()}


def load_generator(name: str, model: "BodyModel", weights: Path | None = None) -> "Generator[Any]":
    """The generator of that name for a body model, with the weights given or shipped."""
    if name not in GENERATORS:
        raise ValueError(f"no renderer {name!r}; choose one of {', '.join(GENERATORS)}")
    module, _, function = GENERATORS[name].loader.partition(":")
    load: Callable[[BodyModel, Path | None], Generator[Any]] = getattr(import_module(module), function)
    return load(model, weights)
