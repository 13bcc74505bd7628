"""The options of `motion-imitate avatar`. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.motion.options import PersonChoice, check_person_number


@dataclass(frozen=True)
class AvatarOptions:
    """Who is exported, and how they move."""

    motion: Path | None = None
    """Motion file (.npz) of `motion-imitate motion extract` that the person does, as with `imitate --motion`."""
    photo_person: Annotated[PersonChoice, Parameter(validator=check_person_number)] = "largest"
    """Which person in the photo to use: the largest, the one furthest left or right, or a number from the left."""
    size: Annotated[int, Parameter(validator=Number(gte=64, lte=8192))] = 1920
    """Pixels of the longer side of the photo, and so of the textures cut out of it, at most."""
