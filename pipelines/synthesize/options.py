"""The options of `motion-imitate synthesize-pairs`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.synthesize.people_options import SyntheticPeopleOptions


@dataclass(frozen=True)
class SynthesizeOptions(SyntheticPeopleOptions):
    """How many samples are generated, and of what size."""

    count: Annotated[int, Parameter(help="Number of samples.", validator=Number(gte=1))] = 64
    size: Annotated[int, Parameter(help="Image side in pixels.", validator=Number(gte=32, lte=1024))] = 256
    views: Annotated[int, Parameter(help="Poses of the person in each sample.", validator=Number(gte=2, lte=8))] = 2
    workers: Annotated[int, Parameter(help="Processes that generate samples.", validator=Number(gte=1, lte=256))] = 1
