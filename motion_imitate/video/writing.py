"""Write frames to a video file that common players accept. The file is complete or not written at all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from motion_imitate.files import OutputError, raise_output_errors, remove_stale_parts, write_atomically
from motion_imitate.types import Frames
from motion_imitate.video.errors import NoFrames, ignore_warning
from motion_imitate.video.formats import (
    ContainerFormat,
    Encoding,
    PixelFormat,
    choose_container_format,
    choose_h264_encoder,
    choose_pixel_format,
)
from motion_imitate.video.opening import SoundPacket, VideoPacket
from motion_imitate.video.sound import SoundPackets, SoundPause, add_sound, no_sound_packets

BT709_CODE = 1
OutputPicture = NDArray[np.uint8]  # [H, W, 3 or 4]


def write(
    path: Path,
    runs: Iterable[Frames],
    rate: int | float | Fraction,
    sound_from: Path | None = None,
    tags: Mapping[str, str] | None = None,
    how: Encoding = Encoding(),
    warn: Callable[[str], None] = ignore_warning,
    pause: SoundPause | None = None,
) -> int:
    """Encode the frames as they arrive, each at its own timestamp, and return how many were written.

    An existing file at `path` is replaced only when the last frame is on disk; after an error no partial file is left.
    The suffix selects the format: .mp4 is H.264, .mov ProRes, .webm VP9. Four-channel frames (RGB and straight alpha)
    keep their transparency, except in .mp4, which cannot store it. Timestamps are rounded to 1/90000 s, in .webm to 1
    ms. The sound of `sound_from` starts with its first frame, waits during the pause and ends with the last frame
    written; broken sound never fails the video.
    """
    check_output_file(path, sound_from)
    format = choose_container_format(path)
    remove_stale_parts(path)
    pictures = iter_padded_pictures(runs, path)
    with write_atomically(path) as part:
        first = next(pictures, None)
        if first is None:
            raise NoFrames(f"no frames to write to {path}; give at least one")
        height, width, channels = first[1].shape
        pixels = choose_h264_encoder(choose_pixel_format(format, channels, path), how.encoder, (height, width), path)
        with raise_output_errors(path, av.FFmpegError):
            out = av.open(str(part), "w", format=format.name, options=format.muxer)
        with close_container(out, path):
            out.metadata.update(tags or {})
            track = add_picture_track(out, first[1].shape, rate, format, pixels, how)
            sound = add_sound(out, format, sound_from, first[0], warn, pause) if sound_from else no_sound_packets()
            return mux_tracks(
                out, encode_pictures(chain([first], pictures), track, format.tick, path), sound, path, warn
            )


def check_output_file(path: Path, sound_from: Path | None) -> None:
    """Raise OutputError if `path` cannot be written as a file, or is also the input."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it, such as {path / 'out.mp4'}")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a regular file; name a regular or a new file")
    if sound_from is not None and path.exists() and sound_from.exists() and path.samefile(sound_from):
        raise OutputError(f"{path} is also the input; give the result another name")


def iter_padded_pictures(runs: Iterable[Frames], path: Path) -> Iterator[tuple[float, OutputPicture]]:
    """Yield the frames one by one, padded to even height and width, as codecs require; all must have one size."""
    shape = None
    for run in runs:
        _, height, width = shape = shape or run.data.shape[1:]
        if run.data.shape[1:] != shape:
            raise OutputError(
                f"a frame of {describe_frame_shape(run.data.shape[1:])} was given for {path} "
                f"after frames of {describe_frame_shape(shape)}; "
                "give all frames the same size and channels"
            )
        pictures = run.data.permute(0, 2, 3, 1).contiguous().numpy()
        if height % 2 or width % 2:
            pictures = np.pad(pictures, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        yield from zip(run.seconds.tolist(), pictures, strict=True)


def describe_frame_shape(shape: tuple[int, ...]) -> str:
    """A frame's size as text, for error messages."""
    return f"{shape[2]}x{shape[1]}" + (" with alpha" if shape[0] == 4 else "")


@contextmanager
def close_container(out: OutputContainer, path: Path) -> Iterator[None]:
    """Close the container on exit: finish the file on success, release it on error."""
    try:
        yield
        with raise_output_errors(path, av.FFmpegError):
            out.close()
    except BaseException:
        with suppress(Exception):
            out.close()
        raise


def add_picture_track(
    out: OutputContainer,
    shape: tuple[int, ...],
    rate: int | float | Fraction,
    format: ContainerFormat,
    pixels: PixelFormat,
    how: Encoding,
) -> VideoStream:
    """Add a video stream with the encoder's settings, time base and colour tags."""
    exact = Fraction(rate).limit_denominator(100000)
    track = cast(VideoStream, out.add_stream(pixels.codec, rate=exact, options=pixels.options(how, exact)))
    track.height, track.width, track.pix_fmt = shape[0], shape[1], pixels.stored
    if shape[2] == 4:
        track.metadata["alpha_mode"] = "1"  # without it, players of WebM ignore the alpha stream
    context = track.codec_context
    context.time_base = format.tick
    context.color_primaries = context.color_trc = context.colorspace = BT709_CODE
    context.color_range = ColorRange.MPEG
    return track


def encode_pictures(
    pictures: Iterable[tuple[float, OutputPicture]], track: VideoStream, tick: Fraction, path: Path
) -> Iterator[tuple[float, VideoPacket | None]]:
    """Encode the frames; yield packets with their times in seconds since the first frame.

    The last item is the end time, with None for the packet.
    """
    reformatter = VideoReformatter()
    step = round(1 / track.codec_context.framerate / tick)
    begin, last = None, -1
    for second, picture in pictures:
        begin = second if begin is None else begin
        last = max(last + 1, round((second - begin) / tick))
        frame = to_video_frame(reformatter, picture, str(track.pix_fmt))
        frame.pts, frame.duration, frame.time_base = last, step, tick
        yield from encode_video_frame(track, frame, path)
    yield from encode_video_frame(track, None, path)
    yield float((last + step) * tick), None


def to_video_frame(reformatter: VideoReformatter, picture: OutputPicture, stored: str) -> VideoFrame:
    """Convert an RGB(A) array to a frame in the codec's pixel format."""
    rgb = VideoFrame.from_numpy_buffer(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
    return reformatter.reformat(rgb, format=stored, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)


def encode_video_frame(track: VideoStream, frame: VideoFrame | None, path: Path) -> Iterator[tuple[float, VideoPacket]]:
    """Encode one frame; None flushes the encoder."""
    with raise_output_errors(path, av.FFmpegError):
        packets = track.encode(frame)
    for packet in packets:
        yield float((packet.pts or 0) * packet.time_base), packet


def mux_tracks(
    out: OutputContainer,
    video: Iterator[tuple[float, VideoPacket | None]],
    sound: SoundPackets,
    path: Path,
    warn: Callable[[str], None],
) -> int:
    """Interleave sound and video packets by time until the video ends; return the number of frames."""
    count = 0
    with closing(sound):
        heard = next(sound, None)
        for now, packet in video:
            while heard and heard[0] < now:
                heard = next(sound, None) if mux_sound_packet(out, heard[1], path, warn) else None
            if packet is not None:
                count += 1
                with raise_output_errors(path, av.FFmpegError):
                    out.mux(packet)
    return count


def mux_sound_packet(out: OutputContainer, packet: SoundPacket, path: Path, warn: Callable[[str], None]) -> bool:
    """Mux a packet of sound; return False, with a warning, if the muxer rejects it as damaged."""
    try:
        with raise_output_errors(path, av.FFmpegError):
            out.mux(packet)
    except OutputError as error:
        if isinstance(error.__cause__, OSError):  # a disk error
            raise
        warn("the sound ends early: part of it is damaged")
        return False
    return True
