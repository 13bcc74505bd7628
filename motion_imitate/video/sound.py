"""Add one video's sound to another's frames: copied if the container takes the codec, re-encoded otherwise."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from math import inf
from pathlib import Path
from typing import Generic, TypeVar, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from motion_imitate.video.decoding import (
    MAX_CLOCK_GAP,
    MAX_CLOCK_STEP_BACK,
    DecodeTally,
    decode_frames,
    frame_timestamp,
)
from motion_imitate.video.errors import Limits, VideoError
from motion_imitate.video.formats import ContainerFormat
from motion_imitate.video.opening import (
    SoundPacket,
    decodable_streams,
    find_frame_rate,
    open_container,
    open_video,
    to_fraction,
)

SOUND_RATE = 48000  # Hz, of re-encoded sound
MAX_SOUND_DRIFT = SOUND_RATE // 50  # samples; a larger offset is corrected with silence or by dropping sound
NO_LIMITS = Limits(pixels=2**31 - 1, seconds=inf)

PieceContent = TypeVar("PieceContent")


@dataclass(frozen=True)
class SoundPause:
    """Silence in the sound of a video, after which the sound goes on."""

    second: float  # of the video
    length: float  # seconds


@dataclass(frozen=True)
class SoundPiece(Generic[PieceContent]):
    """A packet or frame of sound, with its time in seconds on the file's clock."""

    begin: float  # time of the first video frame
    at: float | None
    length: float
    what: PieceContent


SoundPackets = Generator[tuple[float, SoundPacket], None, None]


def add_sound(
    out: OutputContainer,
    format: ContainerFormat,
    path: Path,
    skip: float,
    warn: Callable[[str], None],
    pause: SoundPause | None = None,
) -> SoundPackets:
    """Add a sound track to `out`, and return its packets with their times in seconds.

    Time 0 is `skip` seconds after the first frame of `path`.
    """
    container = open_container(path)
    heard = [s for s in decodable_streams(container.streams.audio) if s.rate]
    if not heard:
        container.close()
        return no_sound_packets()
    stream, begin = heard[0], first_picture_time(path) + skip
    copied = pause is None and stream.codec_context.codec.canonical_name in format.copied
    if copied and muxer_accepts_sound(stream, format):
        return tolerate_broken_sound(
            container, copy_sound(container, stream, out.add_stream_from_template(stream), begin), warn
        )
    track = cast(AudioStream, out.add_stream(format.coded, rate=SOUND_RATE, layout="stereo"))
    return tolerate_broken_sound(container, encode_sound(container, stream, track, begin, pause), warn)


def muxer_accepts_sound(stream: AudioStream, format: ContainerFormat) -> bool:
    """Whether the container accepts the sound stream without re-encoding; some broken streams fail only later, during
    muxing."""
    options = {"movflags": "empty_moov"} if "movflags" in format.muxer else {}
    try:
        with av.open(BytesIO(), "w", format=format.name, options=options) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def no_sound_packets() -> SoundPackets:
    """An empty sound track."""
    yield from ()


def first_picture_time(path: Path) -> float:
    """Time of the first frame, in seconds on the file's clock; 0 if the video cannot be read."""
    try:
        clip = open_video(path, NO_LIMITS)
    except VideoError:
        return 0.0
    with clip.container:
        frame = next(decode_frames(clip, NO_LIMITS, DecodeTally()), None)
        return (frame_timestamp(frame) if frame else None) or 0.0


def tolerate_broken_sound(container: InputContainer, sound: SoundPackets, warn: Callable[[str], None]) -> SoundPackets:
    """End the sound early, with a warning, where it cannot be read, so that broken sound never fails the video."""
    try:
        with container:
            yield from sound
    except (av.FFmpegError, IndexError, ValueError) as error:
        warn(f"the sound ends early: the rest cannot be read ({type(error).__name__})")


def demux_sound(container: InputContainer, stream: AudioStream, begin: float) -> Iterator[tuple[float, SoundPacket]]:
    """Yield the sound packets, each with the time on the file's clock that its video counts from.

    Where the clock of the video jumps, that origin is shifted by the jump.
    """
    seen = decodable_streams(container.streams.video)[:1]
    step = float(1 / find_frame_rate(container, seen[0])[0]) if seen else 0.0
    last: float | None = None
    for packet in container.demux(stream, *seen):
        if packet.stream_index == stream.index:
            yield begin, cast(SoundPacket, packet)
        elif packet.dts is not None:
            at = float(packet.dts * (to_fraction(packet.time_base) or 0))
            if last is not None and not last - MAX_CLOCK_STEP_BACK <= at <= last + MAX_CLOCK_GAP:
                begin += at - last - step
            last = at


def align_sound_pieces(pieces: Iterable[SoundPiece[PieceContent]]) -> Iterator[tuple[float, PieceContent]]:
    """Yield each piece with its time in seconds since the first frame; pieces before it are dropped.

    Where the clock jumps and the video has not yet shown by how much, the sound continues without a gap.
    """
    due, begin, leap = 0.0, None, 0.0
    for piece in pieces:
        started = begin is not None
        begin, leap = piece.begin, leap if piece.begin == begin else 0.0
        now = due if piece.at is None else piece.at - begin - leap
        if started and not due - MAX_CLOCK_STEP_BACK <= now <= due + MAX_CLOCK_GAP:
            leap, now = leap + now - due, due
        due = now + piece.length
        if now > -piece.length / 2:
            yield max(now, 0.0), piece.what


def copy_sound(container: InputContainer, stream: AudioStream, track: AudioStream, begin: float) -> SoundPackets:
    """Copy the sound packets without re-encoding, with timestamps that strictly increase."""
    base = to_fraction(stream.time_base) or Fraction(1, SOUND_RATE)
    pieces = (
        SoundPiece(since, float(packet.dts * base), float((packet.duration or 0) * base), packet)
        for since, packet in demux_sound(container, stream, begin)
        if packet.dts is not None and packet.size
    )
    last = -1
    for now, packet in align_sound_pieces(pieces):
        at = round(now / base)
        if at > last:  # timestamps must increase, or the file is invalid
            packet.pts = packet.dts = last = at
            packet.stream = track
            yield now, packet


def encode_sound(
    container: InputContainer, stream: AudioStream, track: AudioStream, begin: float, pause: SoundPause | None
) -> SoundPackets:
    """Decode, resample and re-encode the sound; the pause and gaps are filled with silence and overlaps are dropped."""
    resampler = av.AudioResampler("fltp", "stereo", SOUND_RATE)
    pieces = (
        SoundPiece(since, frame.time, frame.samples / frame.sample_rate, frame)
        for since, packet in demux_sound(container, stream, begin)
        for frame in decode_sound_packet(packet)
    )
    done = 0  # samples written
    for now, frame in align_sound_pieces(pieces):
        if pause is not None and now >= pause.second:
            now += pause.length
        late = round(now * SOUND_RATE) - done
        if late < -MAX_SOUND_DRIFT:
            continue
        frame.pts = None
        for part in [*([silent_sound_frame(late)] if late > MAX_SOUND_DRIFT else []), *resampler.resample(frame)]:
            part.pts, part.time_base = done, Fraction(1, SOUND_RATE)
            done += part.samples
            yield from encode_sound_frame(track, part)
    yield from encode_sound_frame(track, None)


def encode_sound_frame(track: AudioStream, frame: AudioFrame | None) -> SoundPackets:
    """Encode one frame of sound; None flushes the encoder."""
    for packet in track.encode(frame):
        if packet.pts is not None and packet.pts >= 0:  # negative times are encoder priming
            yield float(packet.pts * (to_fraction(packet.time_base) or 0)), packet


def decode_sound_packet(packet: SoundPacket) -> list[AudioFrame]:
    """Decode a packet; a damaged one gives no frames and leaves a short silence."""
    try:
        return [f for f in packet.decode() if f.samples]
    except av.FFmpegError:  # a damaged packet becomes silence
        return []


def silent_sound_frame(samples: int) -> AudioFrame:
    """A stereo frame of that many zero samples."""
    frame = AudioFrame.from_ndarray(np.zeros((2, samples), np.float32), format="fltp", layout="stereo")
    frame.sample_rate = SOUND_RATE
    return frame
