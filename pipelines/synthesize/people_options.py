"""Options of all commands that make people up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

Part = Literal["all", "learn", "held"]  # as `synthesis.held` has it, which takes long to import


@dataclass(frozen=True)
class MakingUp:
    seed: Annotated[int, Parameter(help="Of all that is drawn at random.", validator=Number(gte=0, lt=1 << 63))] = 0
    makehuman: Annotated[
        Path | None,
        Parameter(help="A data folder of MakeHuman's, for clothes, hair and skins; else all are generated."),
    ] = None
    motions: Annotated[
        Path | None, Parameter(help="A folder of humanoid clips in DeepMimic's text format; else poses are made up.")
    ] = None
    backgrounds: Annotated[Path | None, Parameter(help="A folder of photos; else backgrounds are made up.")] = None
    part: Annotated[
        Part,
        Parameter(
            help="Of each five clothes, heads of hair, skins and motions: the four to learn from, or the one held."
        ),
    ] = "all"
