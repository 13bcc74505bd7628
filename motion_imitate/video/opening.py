"""Open untrusted video files safely: only regular files, only video formats, and no other file or host that they refer
to."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from motion_imitate.heif_brands import BRANDS_REACH, still_image_kind
from motion_imitate.video.errors import Limits, NotAVideo, NoVideoStream, TooLarge
from motion_imitate.video.gpu_codecs import nvdec_acceleration

DecoderName = Literal["software", "nvdec"]
DEMUXER_WHITELIST = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,mxf,nut"  # no playlists
)
RAW_STREAM_FORMATS = {
    "h264",
    "hevc",
    "mpegvideo",
}  # raw streams: no timestamps, and an invented average rate
IMAGE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")  # first bytes of image files
FRAME_RATE_RANGE = (Fraction(1, 10), Fraction(1000))
DEFAULT_FRAME_RATE = Fraction(25)
PIXEL_ASPECT_RANGE = (Fraction(1, 8), Fraction(8))

if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]
    SoundPacket = Packet[AudioStream]
else:  # not generic at run time
    VideoPacket = SoundPacket = Packet

StreamType = TypeVar("StreamType", bound=Stream)


@dataclass(frozen=True)
class OpenVideo:
    """An open video file. The caller closes `container`."""

    path: Path
    container: InputContainer
    stream: VideoStream
    rate: Fraction
    aspect: Fraction  # width of a pixel over its height
    end: float | None  # seconds on the file's clock, as it claims
    whole: bool  # no MP4 box extends past the end of the file
    oddities: tuple[str, ...]


def to_fraction(x: object) -> Fraction | None:
    """Convert a PyAV rational to a Fraction; None if it is unset (None or 0/1)."""
    numerator, denominator = getattr(x, "numerator", 0), getattr(x, "denominator", 0)
    return Fraction(numerator, denominator) if numerator and denominator else None


def open_container(path: Path, decoder: DecoderName = "software") -> InputContainer:
    """Open a regular, non-empty file in an allowed format; raises NotAVideo otherwise."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotAVideo(f"{path} cannot be opened ({reason}); give the path of a video file") from None
    if not stat.S_ISREG(status.st_mode):
        raise NotAVideo(f"{path} is not a regular file; give the path of a video file")
    if not status.st_size:
        raise NotAVideo(f"{path} is empty; give a complete copy of the video")
    try:
        with path.open("rb") as file:
            if still_image_kind(file.read(BRANDS_REACH)):  # FFmpeg would show one of its tiles
                raise NotAVideo(f"{path} is an image; give a video")
        # absolute, so that a name is never parsed as a protocol or an option
        return av.open(
            str(path.absolute()),
            options={"protocol_whitelist": "file", "format_whitelist": DEMUXER_WHITELIST},
            mode="r",
            hwaccel=nvdec_acceleration() if decoder == "nvdec" else None,
        )
    except PermissionError:
        raise NotAVideo(f"{path} may not be read; change its permissions, or copy it") from None
    except (av.FFmpegError, OSError, ValueError):
        with path.open("rb") as file:
            if file.read(8).startswith(IMAGE_SIGNATURES):
                raise NotAVideo(f"{path} is an image; give a video") from None
        raise NotAVideo(
            f"{path} is not a video that can be opened, or it is cut off; "
            "give an MP4, MOV, MKV, WebM, AVI, TS, MPEG, FLV, OGG or GIF file that plays"
        ) from None


def decodable_streams(streams: Iterable[StreamType]) -> list[StreamType]:
    """Streams that can be decoded, the file's default stream first. Cover images are left out."""
    usable = [s for s in streams if s.codec_context is not None and not s.disposition & Disposition.attached_pic]
    return sorted(usable, key=lambda s: not s.disposition & Disposition.default)


def open_video(path: Path, limits: Limits = Limits(), decoder: DecoderName = "software") -> OpenVideo:
    """Open a video and select its video stream. What the header shows to be unusable or over the limits is refused
    here."""
    container = open_container(path, decoder)
    try:
        return select_video_stream(path, container, limits)
    except BaseException:
        container.close()
        raise


def select_video_stream(path: Path, container: InputContainer, limits: Limits) -> OpenVideo:
    """Select the video stream, and check its size and duration against the limits."""
    streams = [s for s in decodable_streams(container.streams.video) if s.width and s.height]
    if not streams:
        raise NoVideoStream(f"{path} has no video stream that can be decoded; give a video, not a sound file")
    stream = streams[0]
    check_frame_size(path, stream.width, stream.height, limits)
    # as an option of the container it would have no effect
    stream.codec_context.options = {"max_pixels": str(limits.pixels)}
    stream.thread_type = "AUTO"
    length = claimed_duration(container, stream)
    if length and length > limits.seconds:
        raise TooLarge(
            f"{path} lasts {length:.0f} s, over the limit of {limits.seconds:.0f} s; shorten it, or raise the limit"
        )
    rate, oddities = find_frame_rate(container, stream)
    begin = float((stream.start_time or 0) * (to_fraction(stream.time_base) or 0))
    end = begin + length if length else None
    whole = "mp4" not in container.format.name or mp4_boxes_fit(path)
    return OpenVideo(path, container, stream, rate, pixel_aspect_ratio(stream), end, whole, oddities)


def check_frame_size(path: Path, width: int, height: int, limits: Limits) -> None:
    """Raise TooLarge if a frame has more pixels than allowed."""
    if width * height > limits.pixels:
        raise TooLarge(
            f"{path} has frames of {width}x{height}, over the limit of {limits.pixels} pixels; "
            "scale it down, or raise the limit"
        )


def claimed_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Duration in seconds from first to last frame, as the file claims; None if it claims none."""
    base = to_fraction(stream.time_base)
    if stream.duration and base and stream.duration > 0:
        return float(stream.duration * base)
    if container.duration and container.duration > 0:
        until = "matroska" in container.format.name  # Matroska gives the end time, not the duration
        return (container.duration - (container.start_time or 0) * until) / 1e6
    return None


def mp4_boxes_fit(path: Path) -> bool:
    """Whether an MP4's top-level boxes end within the file; False if the file is truncated."""
    at, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4])
            if length == 0:  # the box extends to the end of the file
                return True
            at += max(8, int.from_bytes(head[8:]) if length == 1 else length)
    return at <= size


def find_frame_rate(container: InputContainer, stream: VideoStream) -> tuple[Fraction, tuple[str, ...]]:
    """The average frame rate, and a warning if it is missing or implausible and the default is used instead."""
    average, guess = to_fraction(stream.average_rate), to_fraction(stream.guessed_rate)
    rate = guess or average if container.format.name in RAW_STREAM_FORMATS else average or guess
    if rate is None:
        return DEFAULT_FRAME_RATE, (f"the video has no frame rate; {DEFAULT_FRAME_RATE} per second is assumed",)
    if not FRAME_RATE_RANGE[0] <= rate <= FRAME_RATE_RANGE[1]:
        return DEFAULT_FRAME_RATE, (
            f"the frame rate of {float(rate):g} per second is implausible; {DEFAULT_FRAME_RATE} is assumed",
        )
    return rate, ()


def pixel_aspect_ratio(stream: VideoStream) -> Fraction:
    """A pixel's width over its height; 1 if unset or implausible."""
    aspect = to_fraction(stream.sample_aspect_ratio) or Fraction(1)
    return aspect if PIXEL_ASPECT_RANGE[0] < aspect < PIXEL_ASPECT_RANGE[1] else Fraction(1)
