"""Opening a file that may be anything: only regular files, only video, never another file or host that it names."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from motion_imitate.video.errors import Limits, NotAVideo, NoVideoStream, TooLarge

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,mxf,nut"  # no lists
)
TIMELESS = {
    "h264",
    "hevc",
    "mpegvideo",
}  # formats that hold a bare stream: no times, and an average rate that is made up
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")  # how picture files begin
RATES = (Fraction(1, 10), Fraction(1000))
USUAL_RATE = Fraction(25)
ASPECTS = (Fraction(1, 8), Fraction(8))

if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]
    SoundPacket = Packet[AudioStream]
else:  # at run time it takes no parameters
    VideoPacket = SoundPacket = Packet

S = TypeVar("S", bound=Stream)


@dataclass(frozen=True)
class Clip:
    """An open video file; `container` is to be closed."""

    path: Path
    container: InputContainer
    stream: VideoStream
    rate: Fraction
    aspect: Fraction  # width of a pixel over its height
    end: float | None  # seconds on the file's own clock, as it claims
    whole: bool  # no part of the file says that it is longer than the file
    oddities: tuple[str, ...]


def fraction(x: object) -> Fraction | None:
    """A rational of any PyAV (None or 0/1 where unset) as a Fraction."""
    numerator, denominator = getattr(x, "numerator", 0), getattr(x, "denominator", 0)
    return Fraction(numerator, denominator) if numerator and denominator else None


def open_container(path: Path) -> InputContainer:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotAVideo(f"{path} cannot be opened ({reason}); give the path of a video file") from None
    if not stat.S_ISREG(status.st_mode):
        raise NotAVideo(f"{path} is not a regular file; give the path of a video file")
    if not status.st_size:
        raise NotAVideo(f"{path} is empty; give a video that was copied or downloaded whole")
    try:  # absolute, so that no name is taken for a protocol or an option
        return av.open(
            str(path.absolute()), options={"protocol_whitelist": "file", "format_whitelist": FORMATS}, mode="r"
        )
    except PermissionError:
        raise NotAVideo(f"{path} may not be read; give yourself the right to, or copy it") from None
    except (av.FFmpegError, OSError, ValueError):
        with path.open("rb") as file:
            if file.read(8).startswith(PICTURES):
                raise NotAVideo(f"{path} is a picture; give a video") from None
        raise NotAVideo(
            f"{path} is not a video that can be opened, or it is cut off before its index; "
            "give an MP4, MOV, MKV, WebM, AVI, TS, MPEG, FLV, OGG or GIF file that plays"
        ) from None


def known(streams: Iterable[S]) -> list[S]:
    """The streams that there is a decoder for, the file's default first; cover pictures are not streams here."""
    usable = [s for s in streams if s.codec_context is not None and not s.disposition & Disposition.attached_pic]
    return sorted(usable, key=lambda s: not s.disposition & Disposition.default)


def open_clip(path: Path, limits: Limits = Limits()) -> Clip:
    """The file, and the stream to look at; everything that its header alone gives away is refused here."""
    container = open_container(path)
    try:
        return chosen(path, container, limits)
    except BaseException:
        container.close()
        raise


def chosen(path: Path, container: InputContainer, limits: Limits) -> Clip:
    streams = [s for s in known(container.streams.video) if s.width and s.height]
    if not streams:
        raise NoVideoStream(f"{path} holds no moving picture that can be decoded; give a video, not sound or a cover")
    stream = streams[0]
    check_size(path, stream.width, stream.height, limits)
    # the same option given to the container would have no effect
    stream.codec_context.options = {"max_pixels": str(limits.pixels)}
    stream.thread_type = "AUTO"
    length = lasts(container, stream)
    if length and length > limits.seconds:
        raise TooLarge(
            f"{path} lasts {length:.0f} s, over the limit of {limits.seconds:.0f} s; cut it, or raise the limit"
        )
    rate, oddities = rate_of(container, stream)
    begin = float((stream.start_time or 0) * (fraction(stream.time_base) or 0))
    end = begin + length if length else None
    whole = "mp4" not in container.format.name or boxes_fit(path)
    return Clip(path, container, stream, rate, aspect_of(stream), end, whole, oddities)


def check_size(path: Path, width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise TooLarge(
            f"{path} has frames of {width}x{height}, over the limit of {limits.pixels} pixels; "
            "scale it down, or raise the limit"
        )


def lasts(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds from first to last, as the file claims."""
    base = fraction(stream.time_base)
    if stream.duration and base and stream.duration > 0:
        return float(stream.duration * base)
    if container.duration and container.duration > 0:
        until = "matroska" in container.format.name  # which says when it ends, not how long it is
        return (container.duration - (container.start_time or 0) * until) / 1e6
    return None


def boxes_fit(path: Path) -> bool:
    """Whether the boxes that an MP4 is made of, one after the other, end where the file does."""
    at, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4])
            if length == 0:  # until the end of the file
                return True
            at += max(8, int.from_bytes(head[8:]) if length == 1 else length)
    return at <= size


def rate_of(container: InputContainer, stream: VideoStream) -> tuple[Fraction, tuple[str, ...]]:
    average, guess = fraction(stream.average_rate), fraction(stream.guessed_rate)
    rate = guess or average if container.format.name in TIMELESS else average or guess
    if rate is None:
        return USUAL_RATE, (f"no frame rate: taken as {USUAL_RATE} a second",)
    if not RATES[0] <= rate <= RATES[1]:
        return USUAL_RATE, (f"a frame rate of {float(rate):g} a second: taken as {USUAL_RATE}",)
    return rate, ()


def aspect_of(stream: VideoStream) -> Fraction:
    aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
    return aspect if ASPECTS[0] < aspect < ASPECTS[1] else Fraction(1)
