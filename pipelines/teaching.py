"""How retouching is learnt: the options of `motion-imitate train retouch`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number


@dataclass(frozen=True)
class Lessons:
    minutes: Annotated[float, Parameter(help="How long to train.", validator=Number(gt=0))] = 20
    steps: Annotated[
        int | None, Parameter(help="Train up to that step, if there is time.", validator=Number(gte=1))
    ] = None
    seed: Annotated[int, Parameter(help="Of all that is drawn at random.", validator=Number(gte=0, lt=1 << 63))] = 0
    size: Annotated[int, Parameter(help="Pixels of a picture's side.", validator=Number(gte=64, lte=512))] = 256
    makehuman: Annotated[
        Path | None,
        Parameter(help="A data folder of MakeHuman's, for clothes, hair and skins; else all are generated."),
    ] = None
    motions: Annotated[
        Path | None, Parameter(help="A folder of humanoid clips in DeepMimic's text format; else poses are made up.")
    ] = None
    backgrounds: Annotated[Path | None, Parameter(help="A folder of photos; else backgrounds are made up.")] = None
    workers: Annotated[int, Parameter(help="Processes that make lessons.", validator=Number(gte=1, lte=256))] = 1
