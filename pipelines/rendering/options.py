"""Options of every job that renders a person. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from cyclopts import Parameter

from motion_imitate.generators import AUTO_RENDERER, RENDERERS
from pipelines.motion.options import PersonChoice, check_person_number

TRANSPARENT_SUFFIXES = (".mov", ".webm")  # formats that support transparency


def check_renderer_name(_: object, value: object) -> None:
    """Raise ValueError unless the renderer is in the table of renderers."""
    if value not in RENDERERS:
        raise ValueError(f"Choose one of {', '.join(RENDERERS)}")


RENDERER_HELP = "Renderer. " + "; ".join(f"{name}: {summary}" for name, summary in RENDERERS.items()) + "."


@dataclass(frozen=True)
class PersonOptions:
    """Who is rendered, by what, and before which background."""

    stand_upright: ClassVar[bool] = False  # see `motion_imitate.portray.PrepareSettings`

    background: str = "photo"
    """Background: photo keeps the photo's own; alpha is transparent (.mov or .webm); or give a colour as #RRGGBB, or
    the path of an image or video."""
    photo_person: Annotated[PersonChoice, Parameter(validator=check_person_number)] = "largest"
    """Which person in the photo to use: the largest, the one furthest left or right, or a number from the left."""
    renderer: Annotated[str, Parameter(validator=check_renderer_name, help=RENDERER_HELP)] = AUTO_RENDERER
    weights: Path | None = None
    """Weights for every --renderer but avatar: weights.safetensors of `motion-imitate train`. With auto, those of
    dense-pose or drn."""
    face: Literal["drn", "off"] = "off"
    """Where an avatar's head turns farther than the photo shows it: drn lets the face module of the detail-replenishing
    network draw the face's low frequencies; off leaves the face to the avatar, which is nearer in measurements."""


EncoderOption = Literal["auto", "x264", "nvenc"]


@dataclass(frozen=True)
class VideoOptions(PersonOptions):
    """How a video of a person is encoded."""

    encoder: EncoderOption = "auto"
    """Encoder of .mp4 files: x264 runs on the CPU, nvenc on an NVIDIA GPU that has one; auto is nvenc where it works
    and --device is a GPU, and else x264."""


def option_files(how: PersonOptions) -> list[Path]:
    """The files that the options name, which must not be overwritten by the result."""
    return [path for path in (Path(how.background), how.weights) if path is not None and path.is_file()]


def allowed_suffixes(how: PersonOptions) -> tuple[str, ...]:
    """File suffixes that the result may have: only .mov and .webm if it is transparent."""
    return TRANSPARENT_SUFFIXES if how.background == "alpha" else (".mp4", *TRANSPARENT_SUFFIXES)
