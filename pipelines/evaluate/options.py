"""What may be chosen about an evaluation. Light to import: the command line shows it as options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.synthesize.people_options import MakingUp, Part


@dataclass(frozen=True)
class Strangers(MakingUp):
    """Made-up people whom training leaves out."""

    part: Annotated[
        Part, Parameter(help="Of each five clothes, heads of hair, skins and motions: the one held out, or others.")
    ] = "held"


@dataclass(frozen=True)
class Evaluating:
    pair: Annotated[tuple[tuple[Path, Path], ...], Parameter(negative=())] = ()
    """Two clips of one scene, frame by frame at the same time: a photo from the first, shown as the second shows it."""
    every: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 5
    """Compare every so many frames of a clip."""
    frames: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 60
    """Compare so many of them at most."""
    made_up: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))] = 0
    """Compare so many views of people who are made up, too, in clothes and poses that training leaves out."""
    source_frame: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """The frame that serves as the photo; the first is 0."""
    weights: Path | None = None
    """Networks of your own for the row liquid-warping: weights.safetensors of `motion-imitate train`."""
    sheet: Path | None = None
    """A folder for pictures to look at: photo, truth and results below each other, a PNG for each clip."""
