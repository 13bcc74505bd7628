"""How people are made up: the options of `motion-imitate synthesize`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number


@dataclass(frozen=True)
class Synthesizing:
    count: Annotated[int, Parameter(help="How many samples.", validator=Number(gte=1))] = 64
    seed: Annotated[int, Parameter(help="Of all that is drawn at random.", validator=Number(gte=0, lt=1 << 63))] = 0
    size: Annotated[int, Parameter(help="Pixels of a side.", validator=Number(gte=32, lte=1024))] = 256
    views: Annotated[int, Parameter(help="Poses of the person in a sample.", validator=Number(gte=2, lte=8))] = 2
    makehuman: Annotated[
        Path | None,
        Parameter(help="A data folder of MakeHuman's, for clothes, hair and skins; else all are generated."),
    ] = None
    motions: Annotated[
        Path | None, Parameter(help="A folder of humanoid clips in DeepMimic's text format; else poses are made up.")
    ] = None
    backgrounds: Annotated[Path | None, Parameter(help="A folder of photos; else backgrounds are made up.")] = None
    workers: Annotated[int, Parameter(help="Processes that draw.", validator=Number(gte=1, lte=256))] = 1
