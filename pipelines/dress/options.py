"""The options of `motion-imitate dress`. This module must stay fast to import."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.motion.options import PersonChoice, check_person_number


@dataclass(frozen=True)
class DressOptions:
    """Who is dressed, and how the picture is made."""

    background: str = "photo"
    """Background: photo keeps the photo's own; alpha is transparent (.png); or give a colour as #RRGGBB, or the path of
    an image."""
    photo_person: Annotated[PersonChoice, Parameter(validator=check_person_number)] = "largest"
    """Which person in the photo to dress: the largest, the one furthest left or right, or a number from the left."""
    size: Annotated[int, Parameter(validator=Number(gte=64, lte=8192))] = 1920
    """Pixels of the longer side, at most."""
    device: str = "auto"
    """Device of drawing: auto, cpu, cuda or cuda:1; auto takes a GPU that can be used."""
