"""Encode rendered frames with sound and provenance metadata."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

from motion_imitate.types import Frames
from motion_imitate.video import Encoding, SoundPause, write
from pipelines.provenance import provenance_tags

RENDER_ENCODING = Encoding(preset="superfast")  # same quality in two thirds of the time, but a larger file


def write_result(
    out: Path,
    rate: Fraction,
    sound: Path | None,
    frames: Iterable[Frames],
    pause: SoundPause | None = None,
    tags: Callable[[], dict[str, str]] = provenance_tags,
) -> list[str]:
    """Write the result with sound and metadata; return the warnings."""
    said: list[str] = []
    write(out, frames, rate, sound, tags(), RENDER_ENCODING, said.append, pause)
    return said
