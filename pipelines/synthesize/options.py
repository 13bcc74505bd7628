"""How samples are made: the options of `motion-imitate synthesize`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.synthesize.people_options import MakingUp


@dataclass(frozen=True)
class Synthesizing(MakingUp):
    count: Annotated[int, Parameter(help="How many samples.", validator=Number(gte=1))] = 64
    size: Annotated[int, Parameter(help="Pixels of a side.", validator=Number(gte=32, lte=1024))] = 256
    views: Annotated[int, Parameter(help="Poses of the person in a sample.", validator=Number(gte=2, lte=8))] = 2
    workers: Annotated[int, Parameter(help="Processes that make people up.", validator=Number(gte=1, lte=256))] = 1
