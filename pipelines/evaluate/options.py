"""The options of `motion-imitate evaluate`. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.output_path import UsageError
from pipelines.synthesize.people_options import AssetSplit, SyntheticPeopleOptions


@dataclass(frozen=True)
class EvaluationPeopleOptions(SyntheticPeopleOptions):
    """Synthetic people from assets that are left out of training."""

    part: Annotated[
        AssetSplit, Parameter(help="Asset split: held (the 20 % left out of training), learn (the other 80 %) or all.")
    ] = "held"


@dataclass(frozen=True)
class EvaluationOptions:
    """What is compared, and how."""

    pair: Annotated[tuple[tuple[Path, Path], ...], Parameter(negative=())] = ()
    """Two synchronized clips of one scene: the photo is from the first, motion and ground truth from the second."""
    every: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 5
    """Compare every Nth frame of a clip."""
    frames: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 60
    """Compare at most this many frames of a clip."""
    synthetic: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))] = 0
    """Also compare this many views of synthetic people, in clothes and poses left out of training."""
    turned: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))] = 0
    """Also compare novel views of this many synthetic people, made from a photo from the front."""
    dressed: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))] = 0
    """Also compare this many synthetic people dressed in the clothes of another's photo with themselves in these."""
    heads: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))] = 0
    """Also compare the faces of this many synthetic people who turn their heads, with --face off and drn."""
    source_frame: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """Number of the frame to use as the photo, from 0."""
    weights: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    """Weights of a renderer to compare with the avatar: weights.safetensors of `motion-imitate train`. With --store:
    NAME=FILE of a system, under any name; may be repeated."""
    sheet: Path | None = None
    """Folder for comparison sheets: a PNG per clip with the ground truth and the results below each other."""

    @property
    def renderer_weights(self) -> Path | None:
        """The weights of the renderer, if there are any."""
        if len(self.weights) > 1:
            raise UsageError("--weights may be repeated with --store only; give those of one renderer")
        return Path(self.weights[0]) if self.weights else None

    @property
    def system_weights(self) -> dict[str, Path]:
        """The weights of systems by name."""
        pairs = [text.partition("=") for text in self.weights]
        wrong = [name for name, equals, path in pairs if not (name and equals and path)]
        if wrong:
            raise UsageError(f"--weights {wrong[0]} is not NAME=FILE; give for example pg2={wrong[0]}")
        return {name: Path(path) for name, _, path in pairs}


@dataclass(frozen=True)
class StoreEvaluationOptions:
    """What is compared on a store."""

    store: Path | None = None
    """Store of labelled pictures, from `motion-imitate synthesize`: compare systems on its held-out pairs of views."""
    pairs: Annotated[int, Parameter(validator=Number(gte=2, lte=1_000_000))] = 1000
    """Number of pairs of views of --store."""
    systems: Annotated[tuple[str, ...], Parameter(negative=())] = ("all",)
    """Systems to compare on --store: truth, copy, names of --weights, or all."""
