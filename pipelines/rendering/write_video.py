"""Encode rendered frames with sound and provenance metadata."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from motion_imitate.types import Frames
from motion_imitate.video import EncoderName, Encoding, SoundPause, write
from pipelines.provenance import provenance_tags

RENDER_ENCODING = Encoding(preset="superfast")  # same quality in two thirds of the time, but a larger file


def write_result(
    out: Path,
    rate: Fraction,
    sound: Path | None,
    frames: Iterable[Frames],
    pause: SoundPause | None = None,
    tags: Callable[[], dict[str, str]] = provenance_tags,
    encoder: EncoderName = "x264",
) -> list[str]:
    """Write the result with sound and metadata; return the warnings."""
    said: list[str] = []
    write(out, frames, rate, sound, tags(), replace(RENDER_ENCODING, encoder=encoder), said.append, pause)
    return said
