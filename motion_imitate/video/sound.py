"""The sound of one video beside the pictures of another: copied where players take it so, else coded anew."""

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

from motion_imitate.video.decoding import BACK, GAP, Tally, pictures, stamp
from motion_imitate.video.errors import Limits, VideoError
from motion_imitate.video.formats import Format
from motion_imitate.video.opening import SoundPacket, fraction, known, open_clip, open_container, rate_of

RATE = 48000  # of sound made here
SLACK = RATE // 50  # samples; sound this much too early or too late is put right
ANY = Limits(pixels=2**31 - 1, seconds=inf)

P = TypeVar("P")


@dataclass(frozen=True)
class Piece(Generic[P]):
    """A packet or a frame of sound, in seconds on the file's clock."""

    begin: float  # of the pictures
    at: float | None
    length: float
    what: P


Sound = Generator[tuple[float, SoundPacket], None, None]


def add_sound(out: OutputContainer, format: Format, path: Path, skip: float, warn: Callable[[str], None]) -> Sound:
    """A track in `out`, and its packets by their seconds after the first picture of `path` and `skip` more."""
    container = open_container(path)
    heard = [s for s in known(container.streams.audio) if s.rate]
    if not heard:
        container.close()
        return silent()
    stream, begin = heard[0], first_picture(path) + skip
    if stream.codec_context.codec.canonical_name in format.copied and fits(stream, format):
        return guarded(container, copied(container, stream, out.add_stream_from_template(stream), begin), warn)
    track = cast(AudioStream, out.add_stream(format.coded, rate=RATE, layout="stereo"))
    return guarded(container, encoded(container, stream, track, begin), warn)


def fits(stream: AudioStream, format: Format) -> bool:
    """Whether a file takes the sound as it is; some broken ones are found out only when the file is made."""
    options = {"movflags": "empty_moov"} if "movflags" in format.muxer else {}
    try:
        with av.open(BytesIO(), "w", format=format.name, options=options) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def silent() -> Sound:
    yield from ()


def first_picture(path: Path) -> float:
    """On the file's own clock."""
    try:
        clip = open_clip(path, ANY)
    except VideoError:
        return 0.0
    with clip.container:
        frame = next(pictures(clip, ANY, Tally()), None)
        return (stamp(frame) if frame else None) or 0.0


def guarded(container: InputContainer, sound: Sound, warn: Callable[[str], None]) -> Sound:
    """Broken sound ends early; it never fails the video."""
    try:
        with container:
            yield from sound
    except (av.FFmpegError, IndexError, ValueError) as error:
        warn(f"the sound breaks off: it cannot be read further ({type(error).__name__})")


def around(container: InputContainer, stream: AudioStream, begin: float) -> Iterator[tuple[float, SoundPacket]]:
    """The packets, each with the second on the file's clock that the pictures around it count from."""
    seen = known(container.streams.video)[:1]
    step = float(1 / rate_of(container, seen[0])[0]) if seen else 0.0
    last: float | None = None
    for packet in container.demux(stream, *seen):
        if packet.stream_index == stream.index:
            yield begin, cast(SoundPacket, packet)
        elif packet.dts is not None:
            at = float(packet.dts * (fraction(packet.time_base) or 0))
            if last is not None and not last - BACK <= at <= last + GAP:
                begin += at - last - step
            last = at


def placed(pieces: Iterable[Piece[P]]) -> Iterator[tuple[float, P]]:
    """Each piece with its seconds from the first picture; those before it are left out.

    Where the clock leaps and the pictures have not yet told by how much, the sound goes on evenly.
    """
    due, begin, leap = 0.0, None, 0.0
    for piece in pieces:
        started = begin is not None
        begin, leap = piece.begin, leap if piece.begin == begin else 0.0
        now = due if piece.at is None else piece.at - begin - leap
        if started and not due - BACK <= now <= due + GAP:
            leap, now = leap + now - due, due
        due = now + piece.length
        if now > -piece.length / 2:
            yield max(now, 0.0), piece.what


def copied(container: InputContainer, stream: AudioStream, track: AudioStream, begin: float) -> Sound:
    base = fraction(stream.time_base) or Fraction(1, RATE)
    pieces = (
        Piece(since, float(packet.dts * base), float((packet.duration or 0) * base), packet)
        for since, packet in around(container, stream, begin)
        if packet.dts is not None and packet.size
    )
    last = -1
    for now, packet in placed(pieces):
        at = round(now / base)
        if at > last:  # the file stays valid only while time goes forward
            packet.pts = packet.dts = last = at
            packet.stream = track
            yield now, packet


def encoded(container: InputContainer, stream: AudioStream, track: AudioStream, begin: float) -> Sound:
    resampler = av.AudioResampler("fltp", "stereo", RATE)
    pieces = (
        Piece(since, frame.time, frame.samples / frame.sample_rate, frame)
        for since, packet in around(container, stream, begin)
        for frame in heard(packet)
    )
    done = 0  # samples
    for now, frame in placed(pieces):
        late = round(now * RATE) - done
        if late < -SLACK:
            continue
        frame.pts = None
        for part in [*([silence(late)] if late > SLACK else []), *resampler.resample(frame)]:
            part.pts, part.time_base = done, Fraction(1, RATE)
            done += part.samples
            yield from packed(track, part)
    yield from packed(track, None)


def packed(track: AudioStream, frame: AudioFrame | None) -> Sound:
    for packet in track.encode(frame):
        if packet.pts is not None and packet.pts >= 0:  # before that, only what the encoder starts up with
            yield float(packet.pts * (fraction(packet.time_base) or 0)), packet


def heard(packet: SoundPacket) -> list[AudioFrame]:
    try:
        return [f for f in packet.decode() if f.samples]
    except av.FFmpegError:  # one bad packet is a moment of silence
        return []


def silence(samples: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.zeros((2, samples), np.float32), format="fltp", layout="stereo")
    frame.sample_rate = RATE
    return frame
