"""What a video is, without reading more than its header and its first picture."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from motion_imitate.video.decoding import Tally, pictures, verdict
from motion_imitate.video.errors import Limits, ignored
from motion_imitate.video.opening import known, lasts, open_clip
from motion_imitate.video.reading import HDR, quarter_turns, upright_size


@dataclass(frozen=True)
class Info:
    path: Path
    width: int  # as seen: upright, with square pixels
    height: int
    rate: Fraction  # frames a second, on the average
    duration: float | None  # seconds, as the file claims
    frames: int | None  # as the file claims
    codec: str
    sound: str | None  # its codec
    rotation: int  # degrees that players turn the stored picture to the left
    hdr: bool
    interlaced: bool
    warnings: tuple[str, ...]


def probe(path: Path, limits: Limits = Limits()) -> Info:
    clip, tally = open_clip(path, limits), Tally()
    with clip.container as container:
        frame = next(pictures(clip, limits, tally), None)
        if frame is None:
            verdict(clip, limits, tally, ignored)
        assert frame is not None
        height, width = upright_size(clip, frame)
        sound = known(container.streams.audio)
        return Info(
            path=path,
            width=width,
            height=height,
            rate=clip.rate,
            duration=lasts(container, clip.stream),
            frames=clip.stream.frames or None,
            codec=clip.stream.codec_context.codec.canonical_name,
            sound=sound[0].codec_context.codec.canonical_name if sound else None,
            rotation=quarter_turns(frame) * 90,
            hdr=frame.color_trc in HDR,
            interlaced=frame.interlaced_frame,
            warnings=clip.oddities,
        )
