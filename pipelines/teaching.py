"""How retouching is learnt: the options of `motion-imitate train retouch`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.making_up import MakingUp


@dataclass(frozen=True)
class Lessons(MakingUp):
    minutes: Annotated[float, Parameter(help="How long to train.", validator=Number(gt=0))] = 20
    steps: Annotated[
        int | None, Parameter(help="Train up to that step, if there is time.", validator=Number(gte=1))
    ] = None
    size: Annotated[int, Parameter(help="Pixels of a picture's side.", validator=Number(gte=64, lte=512))] = 256
