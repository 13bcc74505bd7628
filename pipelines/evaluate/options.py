"""The options of `motion-imitate evaluate`. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

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
    source_frame: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """Number of the frame to use as the photo, from 0."""
    weights: Path | None = None
    """Weights of a renderer to compare with the avatar: weights.safetensors of `motion-imitate train`."""
    sheet: Path | None = None
    """Folder for comparison sheets: a PNG per clip with the ground truth and the results below each other."""
