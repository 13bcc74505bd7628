"""The options of `motion-imitate imitate`. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.rendering.options import VideoOptions


@dataclass(frozen=True)
class RenderOptions(VideoOptions):
    """Options that each video of a batch may set for itself."""

    background: str = "photo"
    """Background: photo keeps the photo's own; driving replaces the driver in the driving video; alpha is transparent
    (.mov or .webm); or give a colour as #RRGGBB, or the path of an image or video."""
    camera: Literal["smooth", "source", "copy"] | None = None
    """Where the person stands: smooth starts at the photo's position and follows the driver's travel; source stays
    there; copy uses the driver's position. Default: smooth, or copy with --background driving."""
    scale: Literal["keep", "match"] | None = None
    """The person's size in the image: keep the photo's, or match the driver's. Default: keep, or match with
    --background driving."""
    frame: Literal["fit", "photo"] = "fit"
    """The picture's window: fit moves and widens it where the person would leave the photo, whose background is
    continued; photo keeps the photo's. Where the driver's camera is copied, it is the driver's."""
    upright: Literal["auto", "off"] = "auto"
    """Whether the person stands upright on the photo's ground though the driver's camera is rolled or looks down or up.
    The first seconds of standing show by how much; with hardly any, and with --camera copy, nothing is turned."""
    view: Annotated[float, Parameter(validator=Number(gte=-360, lte=360))] = 0.0
    """Degrees by which the camera has gone round the person at the start: 90 shows their right side, 180 the back. The
    photo's background stays."""
    orbit: Annotated[float, Parameter(validator=Number(gte=-720, lte=720))] = 0.0
    """Degrees per second by which the camera goes round the person; negative: the other way."""
    freeze: Annotated[float | None, Parameter(validator=Number(gte=0))] = None
    """Second of the motion at which it stops while the camera goes round the person. Then motion and sound go on."""
    sweep: Annotated[float | None, Parameter(validator=Number(gte=-3600, lte=3600))] = None
    """Degrees by which the camera goes round during --freeze; it stays there. Default: 360."""
    sweep_seconds: Annotated[float | None, Parameter(validator=Number(gt=0, lte=600))] = None
    """Seconds that --freeze lasts. Default: 3."""
    preview: Annotated[bool, Parameter(negative=())] = False
    """Render only the first three seconds, at low resolution."""
    side_by_side: Annotated[bool, Parameter(negative=())] = False
    """Show the photo, the driving video and the result side by side."""


@dataclass(frozen=True)
class ImitateOptions(RenderOptions):
    """Options of `imitate` alone."""

    motion: Path | None = None
    """Motion file to follow instead of a video."""
    run: Literal["threads", "ray"] = "threads"
    """Run the stages in threads of this process, or in Ray processes (extra [ray]); the frames are the same."""
    segments: Annotated[float | None, Parameter(validator=Number(gte=1))] = None
    """Render segments of at least this many seconds in separate processes, --workers at a time, and join them. Finished
    segments are kept after an interruption; run the same command again to resume."""
    gpus_per_worker: Annotated[float, Parameter(validator=Number(gte=0, lte=64))] = 0
    """GPUs for each of the --workers Ray processes that detect people and of as many that render; a fraction, such as
    0.25, shares a GPU and its memory. Needs --device cuda."""
    address: str | None = None
    """Address of a running Ray, such as auto or HOST:6379. Default: RAY_ADDRESS, or a temporary local Ray."""
