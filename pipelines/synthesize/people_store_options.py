"""Options of `motion-imitate synthesize`."""

from dataclasses import dataclass
from typing import Annotated

from pipelines.option_annotations import Number, Parameter
from pipelines.synthesize.people_options import SyntheticPeopleOptions


@dataclass(frozen=True)
class PeopleStoreOptions(SyntheticPeopleOptions):
    """What a store of synthetic people holds."""

    people: Annotated[int, Parameter(help="Number of people.", validator=Number(gte=1))] = 100
    views: Annotated[int, Parameter(help="Pictures per person.", validator=Number(gte=1, lte=100))] = 20
    scenes: Annotated[int, Parameter(help="Number of background scenes.", validator=Number(gte=0))] = 2000
    size: Annotated[str, Parameter(help="HEIGHTxWIDTH of the pictures in pixels, both multiples of 8.")] = "256x192"
    workers: Annotated[int, Parameter(help="Number of processes.", validator=Number(gte=1, lte=256))] = 1
