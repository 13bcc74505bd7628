"""Read a video's properties from its header and first frame."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from motion_imitate.video.decoding import DecodeTally, check_decode_result, decode_frames
from motion_imitate.video.errors import Limits, ignore_warning
from motion_imitate.video.opening import claimed_duration, decodable_streams, open_video
from motion_imitate.video.reading import quarter_turns, upright_frame_size
from motion_imitate.video.wide_colour import HDR_TRANSFERS


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video as its header and first frame give them."""

    path: Path
    width: int  # as displayed: upright, with square pixels
    height: int
    rate: Fraction  # average frames per second
    duration: float | None  # seconds, as the file claims
    frames: int | None  # as the file claims
    codec: str
    sound: str | None  # sound codec
    rotation: int  # counterclockwise degrees that players rotate the stored frames by
    hdr: bool
    interlaced: bool
    warnings: tuple[str, ...]


def probe(path: Path, limits: Limits = Limits()) -> VideoInfo:
    """Read a video's properties; only the header and the first frame are decoded."""
    clip, tally = open_video(path, limits), DecodeTally()
    with clip.container as container:
        frame = next(decode_frames(clip, limits, tally), None)
        if frame is None:
            check_decode_result(clip, limits, tally, ignore_warning)
        assert frame is not None
        height, width = upright_frame_size(clip, frame)
        sound = decodable_streams(container.streams.audio)
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            rate=clip.rate,
            duration=claimed_duration(container, clip.stream),
            frames=clip.stream.frames or None,
            codec=clip.stream.codec_context.codec.canonical_name,
            sound=sound[0].codec_context.codec.canonical_name if sound else None,
            rotation=quarter_turns(frame) * 90,
            hdr=frame.color_trc in HDR_TRANSFERS,
            interlaced=frame.interlaced_frame,
            warnings=clip.oddities,
        )
