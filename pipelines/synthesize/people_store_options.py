"""Options of `motion-imitate synthesize-people`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.synthesize.people_options import SyntheticPeopleOptions


@dataclass(frozen=True)
class PeopleStoreOptions(SyntheticPeopleOptions):
    people: Annotated[int, Parameter(help="How many people.", validator=Number(gte=1))] = 100
    views: Annotated[int, Parameter(help="Pictures of each person.", validator=Number(gte=1, lte=100))] = 20
    scenes: Annotated[int, Parameter(help="Scenes to put behind them.", validator=Number(gte=0))] = 2000
    size: Annotated[str, Parameter(help="HEIGHTxWIDTH of a picture in pixels, both multiples of 8.")] = "256x192"
    workers: Annotated[int, Parameter(help="Processes that draw.", validator=Number(gte=1, lte=256))] = 1
