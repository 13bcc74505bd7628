"""The options of `motion-imitate novel-view`. This module must stay fast to import."""

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, ClassVar, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.rendering.options import VideoOptions

MOST_PICTURES = 72  # of one run


def check_azimuths(_: object, azimuths: object) -> None:
    """Raise ValueError unless the azimuths are angles, each given once, and not too many."""
    given = azimuths if isinstance(azimuths, tuple) else ()
    if wrong := [each for each in given if not isfinite(each) or abs(each) > 360]:
        raise ValueError(f"{wrong[0]:g} is not an azimuth; give degrees from -360 to 360")
    if twice := [each for number, each in enumerate(given) if each in given[:number]]:
        raise ValueError(f"{twice[0]:g} is given twice; give each azimuth once")
    if len(given) > MOST_PICTURES:
        raise ValueError(f"{len(given)} azimuths are too many; give {MOST_PICTURES} at most, or make a video")


@dataclass(frozen=True)
class NovelViewOptions(VideoOptions):
    """How the camera goes round the person."""

    stand_upright: ClassVar[bool] = True

    seconds: Annotated[float, Parameter(validator=Number(gt=0, lte=600))] = 6.0
    """Length of the video."""
    turns: Annotated[float, Parameter(validator=Number(gte=-100, lte=100))] = 1.0
    """How often the camera goes round in that time; negative: the other way, first past the person's left side."""
    azimuth: Annotated[tuple[float, ...], Parameter(negative=(), consume_multiple=True, validator=check_azimuths)] = ()
    """Pictures instead of a video, seen from these degrees: 0 is the photo's view, 90 shows the person's right side,
    180 the back. They go into the folder OUT, or side by side into the file OUT (.png, .jpg)."""
    elevation: Annotated[float, Parameter(validator=Number(gte=-60, lte=60))] = 0.0
    """Degrees by which the camera looks down on the person; negative values look up."""
    pose: Literal["photo", "a", "t"] = "photo"
    """The photo's pose, or facing the camera with the arms held out: a obliquely, t level."""
    fov: Annotated[float | None, Parameter(validator=Number(gte=5, lte=100))] = None
    """Degrees of the field of view along the longer side: the person stays as large, but looks flatter in a small one.
    Default: 58, which photos are taken to have."""
    frame: Literal["fit", "photo"] = "fit"
    """The picture's window: fit widens it where the person would leave the photo, whose background is continued; photo
    keeps the photo's."""
    rate: Annotated[int, Parameter(validator=Number(gte=1, lte=120))] = 30
    """Frames per second."""
    size: Annotated[int, Parameter(validator=Number(gte=64, lte=8192))] = 1280
    """Pixels of the longer side, at most."""
    device: str = "auto"
    """Device of drawing: auto, cpu, cuda or cuda:1; auto takes a GPU that can be used."""
    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 2
    """Runs of frames rendered in parallel."""
