"""The sound of one video beside the pictures of another: copied where browsers play it as it is, AAC otherwise."""

from collections.abc import Callable, Generator, Iterable, Iterator
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from motion_imitate.video.decoding import BACK, GAP, Tally, pictures, stamp
from motion_imitate.video.errors import Limits, VideoError
from motion_imitate.video.opening import SoundPacket, fraction, known, open_clip, open_container

COPIED = {"aac", "mp3", "opus"}  # what browsers play inside an MP4
RATE = 48000  # of AAC made here
SLACK = RATE // 50  # samples; sound this much too early or too late is put right
ANY = Limits(pixels=2**31 - 1, seconds=inf)

P = TypeVar("P")
Sound = Generator[tuple[float, SoundPacket], None, None]


def add_sound(out: OutputContainer, path: Path, skip: float, warn: Callable[[str], None]) -> Sound:
    """A track in `out`, and its packets by their seconds after the first picture of `path` and `skip` more."""
    container = open_container(path)
    heard = [s for s in known(container.streams.audio) if s.rate]
    if not heard:
        container.close()
        return silent()
    stream, begin = heard[0], first_picture(path) + skip
    if stream.codec_context.codec.canonical_name in COPIED:
        return guarded(container, copied(container, stream, out.add_stream_from_template(stream), begin), warn)
    track = out.add_stream("aac", rate=RATE, layout="stereo")
    return guarded(container, encoded(container, stream, track, begin), warn)


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


def placed(pieces: Iterable[tuple[float | None, float, P]], begin: float) -> Iterator[tuple[float, P]]:
    """Each piece with its seconds from `begin`; those before it are left out, leaps of the clock are closed."""
    due: float | None = None
    for at, length, piece in pieces:
        now = (due or 0.0) if at is None else at - begin
        if due is not None and not due - BACK <= now <= due + GAP:
            begin, now = begin + now - due, due
        due = now + length
        if now > -length / 2:
            yield max(now, 0.0), piece


def copied(container: InputContainer, stream: AudioStream, track: AudioStream, begin: float) -> Sound:
    base = fraction(stream.time_base) or Fraction(1, RATE)
    last = -1

    def pieces() -> Iterator[tuple[float | None, float, SoundPacket]]:
        for packet in container.demux(stream):
            if packet.dts is not None and packet.size:
                yield float(packet.dts * base), float((packet.duration or 0) * base), packet

    for now, packet in placed(pieces(), begin):
        at = round(now / base)
        if at > last:  # the file stays valid only while time goes forward
            packet.pts = packet.dts = last = at
            packet.stream = track
            yield now, packet


def encoded(container: InputContainer, stream: AudioStream, track: AudioStream, begin: float) -> Sound:
    resampler = av.AudioResampler("fltp", "stereo", RATE)
    done = 0  # samples

    def pieces() -> Iterator[tuple[float | None, float, AudioFrame]]:
        for packet in container.demux(stream):
            yield from ((f.time, f.samples / f.sample_rate, f) for f in heard(packet))

    def packed(frame: AudioFrame | None) -> Sound:
        nonlocal done
        if frame is not None:
            frame.pts, frame.time_base = done, Fraction(1, RATE)
            done += frame.samples
        for packet in track.encode(frame):
            yield done / RATE, packet

    for now, frame in placed(pieces(), begin):
        late = round(now * RATE) - done
        if late < -SLACK:
            continue
        if late > SLACK:
            yield from packed(silence(late))
        frame.pts = None
        for part in resampler.resample(frame):
            yield from packed(part)
    yield from packed(None)


def heard(packet: SoundPacket) -> list[AudioFrame]:
    try:
        return [f for f in packet.decode() if f.samples]
    except av.FFmpegError:  # one bad packet is a moment of silence
        return []


def silence(samples: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.zeros((2, samples), np.float32), format="fltp", layout="stereo")
    frame.sample_rate = RATE
    return frame
