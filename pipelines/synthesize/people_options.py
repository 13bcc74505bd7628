"""Options of all commands that generate synthetic people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pipelines.option_annotations import Number, Parameter

AssetSplit = Literal["all", "learn", "held"]  # as in `synthesis.held_out`, which is slow to import


@dataclass(frozen=True)
class SyntheticPeopleOptions:
    """Which assets synthetic people are made from."""

    seed: Annotated[int, Parameter(help="Random seed.", validator=Number(gte=0, lt=1 << 63))] = 0
    makehuman: Annotated[
        Path | None,
        Parameter(help="MakeHuman data folder for clothes, hair and skins; without it they are generated."),
    ] = None
    motions: Annotated[
        Path | None, Parameter(help="Folder of humanoid clips in DeepMimic's text format; without it poses are random.")
    ] = None
    backgrounds: Annotated[
        Path | None, Parameter(help="Folder of background photos; without it they are generated.")
    ] = None
    part: Annotated[
        AssetSplit,
        Parameter(help="Asset split: all, learn (the 80 % for training) or held (the 20 % held out)."),
    ] = "all"
