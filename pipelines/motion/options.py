"""Options of all commands that estimate motion. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

QualityName = Literal["fast", "default", "best"]
PersonChoice = int | Literal["largest", "left", "right"]


def check_person_number(_: object, value: object) -> None:
    """Validate a person number."""
    if isinstance(value, int) and value < 1:
        raise ValueError("people are counted from 1, the leftmost; give 1 or more")


@dataclass(frozen=True)
class BaseEstimationOptions:
    """Options of the estimate that each video of a batch may set for itself."""

    quality: QualityName = "default"
    """Accuracy against speed; best takes about twice as long as default."""
    live: Annotated[bool, Parameter(negative=())] = False
    """Use past frames only, as with a live camera."""
    person: Annotated[PersonChoice, Parameter(validator=check_person_number)] = "largest"
    """Which person to follow: the largest, the one furthest left or right, or a number counted from the left."""
    body: Literal["anny", "smpl"] = "anny"
    """Body model to fit; smpl needs your own file, see `motion-imitate convert smpl`."""
    size: Annotated[int | None, Parameter(validator=Number(gte=64, lte=8192))] = None
    """Maximum longer side of the image in pixels. Default: the clip's own, or 1920 for `imitate`."""
    device: str = "auto"
    """Device of the pose network and of drawing: auto, cpu, cuda or cuda:1; auto takes a GPU that can be used."""


@dataclass(frozen=True)
class EstimationOptions(BaseEstimationOptions):
    """Options of the estimate of a single clip."""

    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 2
    """Number of parts of the clip that are processed at the same time."""
    threads: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 1
    """CPU threads of each network and of the fit."""
    estimator: Literal["landmarks", "hmr"] = "landmarks"
    """What finds the body in each frame: the pose network's landmarks, or Human Mesh Recovery, which needs
    --estimator-weights."""
    estimator_weights: Path | None = None
    """Weights of --estimator hmr, from `motion-imitate convert hmr` or `motion-imitate train hmr`."""
