"""The options of `motion-imitate novel-view`. This module must stay fast to import."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.rendering.options import PersonOptions


@dataclass(frozen=True)
class NovelViewOptions(PersonOptions):
    """How the camera goes round the person."""

    seconds: Annotated[float, Parameter(validator=Number(gt=0, lte=600))] = 6.0
    """Length of the video."""
    elevation: Annotated[float, Parameter(validator=Number(gte=-60, lte=60))] = 0.0
    """Degrees by which the camera looks down on the person; negative values look up."""
    rate: Annotated[int, Parameter(validator=Number(gte=1, lte=120))] = 30
    """Frames per second."""
    size: Annotated[int, Parameter(validator=Number(gte=64, lte=8192))] = 1280
    """Pixels of the longer side, at most."""
    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 2
    """Runs of frames rendered in parallel."""
