"""Runs of frames to a video that players take, and that is there whole or not at all."""

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

from motion_imitate.files import OutputError, replaced, sweep, trouble
from motion_imitate.types import Frames
from motion_imitate.video.errors import NoFrames, ignored
from motion_imitate.video.formats import Encoding, Format, Pixels, format_of, pixels_of
from motion_imitate.video.opening import SoundPacket, VideoPacket
from motion_imitate.video.sound import Sound, add_sound, silent

BT709 = 1
Picture = NDArray[np.uint8]  # [H, W, 3 or 4]


def write(
    path: Path,
    runs: Iterable[Frames],
    rate: int | float | Fraction,
    sound_from: Path | None = None,
    tags: Mapping[str, str] | None = None,
    how: Encoding = Encoding(),
    warn: Callable[[str], None] = ignored,
) -> int:
    """Write the frames as they come, each at its own time, and return how many there were.

    What stood at `path` stays until the last frame is on disk; whatever goes wrong, nothing half-done is left.
    The suffix chooses the format: .mp4 H.264, .mov ProRes and .webm VP9. Frames of four channels, RGB and straight
    alpha, keep their transparency, which .mp4 cannot. Times are kept to 1/90000 s, in .webm to 1 ms.
    The sound of `sound_from` starts with its first picture, and ends with the last frame; it never fails the video.
    """
    refuse(path, sound_from)
    format = format_of(path)
    sweep(path)
    pictures = one_size(runs, path)
    with replaced(path) as part:
        first = next(pictures, None)
        if first is None:
            raise NoFrames(f"no frames came for {path}, so nothing was written; give at least one")
        pixels = pixels_of(format, first[1].shape[2], path)
        with trouble(path, av.FFmpegError):
            out = av.open(str(part), "w", format=format.name, options=format.muxer)
        with closed(out, path):
            out.metadata.update(tags or {})
            track = picture_track(out, first[1].shape, rate, format, pixels, how)
            sound = add_sound(out, format, sound_from, first[0], warn) if sound_from else silent()
            return muxed(out, compressed(chain([first], pictures), track, format.tick, path), sound, path, warn)


def refuse(path: Path, sound_from: Path | None) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it, such as {path / 'out.mp4'}")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a regular file; name one that is, or that is not there yet")
    if sound_from is not None and path.exists() and sound_from.exists() and path.samefile(sound_from):
        raise OutputError(f"{path} is also the input; give the result another name")


def one_size(runs: Iterable[Frames], path: Path) -> Iterator[tuple[float, Picture]]:
    """The pictures one by one, padded by their edge to the even sides that codecs want."""
    shape = None
    for run in runs:
        _, height, width = shape = shape or run.data.shape[1:]
        if run.data.shape[1:] != shape:
            raise OutputError(
                f"a frame of {said(run.data.shape[1:])} came for {path} after frames of {said(shape)}; "
                "give all frames one size and kind"
            )
        pictures = run.data.permute(0, 2, 3, 1).contiguous().numpy()
        if height % 2 or width % 2:
            pictures = np.pad(pictures, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        yield from zip(run.seconds.tolist(), pictures, strict=True)


def said(shape: tuple[int, ...]) -> str:
    return f"{shape[2]}x{shape[1]}" + (" with alpha" if shape[0] == 4 else "")


@contextmanager
def closed(out: OutputContainer, path: Path) -> Iterator[None]:
    """Finish the file, or let go of it when it came to nothing."""
    try:
        yield
        with trouble(path, av.FFmpegError):
            out.close()
    except BaseException:
        with suppress(Exception):
            out.close()
        raise


def picture_track(
    out: OutputContainer,
    shape: tuple[int, ...],
    rate: int | float | Fraction,
    format: Format,
    pixels: Pixels,
    how: Encoding,
) -> VideoStream:
    exact = Fraction(rate).limit_denominator(100000)
    track = cast(VideoStream, out.add_stream(pixels.codec, rate=exact, options=pixels.options(how, exact)))
    track.height, track.width, track.pix_fmt = shape[0], shape[1], pixels.stored
    if shape[2] == 4:
        track.metadata["alpha_mode"] = "1"  # without it, players of WebM do not look for the second picture
    context = track.codec_context
    context.time_base = format.tick
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = ColorRange.MPEG
    return track


def compressed(
    pictures: Iterable[tuple[float, Picture]], track: VideoStream, tick: Fraction, path: Path
) -> Iterator[tuple[float, VideoPacket | None]]:
    """The packets by their seconds from the first picture; last, the time when it is over."""
    reformatter = VideoReformatter()
    step = round(1 / track.codec_context.framerate / tick)
    begin, last = None, -1
    for second, picture in pictures:
        begin = second if begin is None else begin
        last = max(last + 1, round((second - begin) / tick))
        frame = coded(reformatter, picture, str(track.pix_fmt))
        frame.pts, frame.duration, frame.time_base = last, step, tick
        yield from sent(track, frame, path)
    yield from sent(track, None, path)
    yield float((last + step) * tick), None


def coded(reformatter: VideoReformatter, picture: Picture, stored: str) -> VideoFrame:
    rgb = VideoFrame.from_numpy_buffer(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
    return reformatter.reformat(rgb, format=stored, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)


def sent(track: VideoStream, frame: VideoFrame | None, path: Path) -> Iterator[tuple[float, VideoPacket]]:
    with trouble(path, av.FFmpegError):
        packets = track.encode(frame)
    for packet in packets:
        yield float((packet.pts or 0) * packet.time_base), packet


def muxed(
    out: OutputContainer,
    video: Iterator[tuple[float, VideoPacket | None]],
    sound: Sound,
    path: Path,
    warn: Callable[[str], None],
) -> int:
    """Sound and pictures into the file by their time, until the pictures end; how many pictures."""
    count = 0
    with closing(sound):
        heard = next(sound, None)
        for now, packet in video:
            while heard and heard[0] < now:
                heard = next(sound, None) if added(out, heard[1], path, warn) else None
            if packet is not None:
                count += 1
                with trouble(path, av.FFmpegError):
                    out.mux(packet)
    return count


def added(out: OutputContainer, packet: SoundPacket, path: Path, warn: Callable[[str], None]) -> bool:
    """Whether the muxer took a packet of sound; it looks into some, and refuses broken ones."""
    try:
        with trouble(path, av.FFmpegError):
            out.mux(packet)
    except OutputError as error:
        if isinstance(error.__cause__, OSError):  # the disk
            raise
        warn("the sound breaks off: a piece of it is damaged")
        return False
    return True
