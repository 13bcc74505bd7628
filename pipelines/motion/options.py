"""What may be chosen about how a person in a clip is seen. Light to import: the command line shows it as options."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

Quality = Literal["fast", "default", "best"]
Person = int | Literal["largest", "left", "right"]


def positive(_: object, value: object) -> None:
    if isinstance(value, int) and value < 1:
        raise ValueError("people are counted from 1, the leftmost")


@dataclass(frozen=True)
class Looking:
    quality: Quality = "default"
    """How much work each frame is given; best takes about twice as long as default."""
    live: Annotated[bool, Parameter(negative=())] = False
    """Never look ahead, as if the frames came from a camera."""
    person: Annotated[Person, Parameter(validator=positive)] = "largest"
    """Who, where several people are seen: the largest, the one furthest left or right, or a number from the left."""
    body: Literal["anny", "smpl"] = "anny"
    """The body that is fitted; smpl needs your own file, see `motion-imitate convert smpl`."""
    size: Annotated[int | None, Parameter(validator=Number(gte=64, lte=8192))] = None
    """Pixels of the picture's longer side, at most; if not given the clip's own, or 1920 for `imitate`."""
    device: str = "cpu"
    """Where the pose network runs, such as cpu or cuda."""


@dataclass(frozen=True)
class Seeing(Looking):
    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 2
    """Stretches of the clip that are looked at side by side."""
    threads: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 1
    """Processor threads of each network and of the fit."""
