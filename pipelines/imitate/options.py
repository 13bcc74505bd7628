"""What may be chosen about how a person is made to move. Light to import: the command line shows it as options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.motion.options import Person, positive

CLEAR = (".mov", ".webm")  # files that may be transparent


@dataclass(frozen=True)
class Drawing:
    """What may be chosen for each video of a batch."""

    background: str = "photo"
    """What the person stands before: the photo's own background; driving, the video itself, in which the person takes
    the driver's place; alpha, nothing (.mov or .webm); a colour as #RRGGBB; or the path of a picture or video."""
    camera: Literal["smooth", "source", "copy"] | None = None
    """Travel as the driver does from where the photo has the person; stay there; or be where the driver is. If not
    said, smooth; copy before the driving video."""
    scale: Literal["keep", "match"] | None = None
    """The person's size in the picture: as in the photo, or as the driver's. If not said, keep; match before the
    driving video."""
    photo_person: Annotated[Person, Parameter(validator=positive)] = "largest"
    """Who, where several people are in the photo: the largest, the one furthest left or right, or a number."""
    renderer: Literal["geometric", "liquid-warping"] = "geometric"
    """What draws the person: the photo's own pixels, carried by the body; or these, mended by networks."""
    weights: Path | None = None
    """Networks of your own for --renderer liquid-warping: weights.safetensors of `motion-imitate train`."""
    preview: Annotated[bool, Parameter(negative=())] = False
    """The first three seconds, small: to see what comes out."""
    side_by_side: Annotated[bool, Parameter(negative=())] = False
    """Show the photo, the driving video and the result beside each other."""


@dataclass(frozen=True)
class Imitating(Drawing):
    motion: Path | None = None
    """A motion file to follow, in place of a video."""
    run: Literal["threads", "ray"] = "threads"
    """Where the stages run: in this process, or in processes of Ray (extra [ray]); the frames are the same."""
    segments: Annotated[float | None, Parameter(validator=Number(gte=1))] = None
    """Draw stretches of so many seconds in processes of their own, --workers at a time, and join them. Those that are
    done are kept when it is interrupted: the same command goes on."""
    gpus_per_worker: Annotated[float, Parameter(validator=Number(gte=0, lte=64))] = 0
    """GPUs that Ray lends to each process that looks at people, or the share of one; with --device cuda."""
    address: str | None = None
    """A Ray that is running, such as auto or HOST:6379; else RAY_ADDRESS; else one is started and ended."""


def suffixes(how: Drawing) -> tuple[str, ...]:
    return CLEAR if how.background == "alpha" else (".mp4", *CLEAR)
