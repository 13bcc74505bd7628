"""Read any video as runs of upright RGB frames with timestamps."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from math import inf
from pathlib import Path

import av
import numpy as np
import torch
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from motion_imitate.types import Frames
from motion_imitate.video.decoding import (
    DecodeTally,
    assign_timestamps,
    check_decode_result,
    check_timestamp_limit,
    decode_frames,
    deinterlace_frames,
)
from motion_imitate.video.errors import Limits, ignore_warning, warn_once
from motion_imitate.video.opening import DecoderName, OpenVideo, check_frame_size, open_video
from motion_imitate.video.wide_colour import HDR_TRANSFERS, convert_to_bt709, needs_colour_table

COLOUR_MATRICES = {0, 1, 4, 5, 6, 7, 9}  # that can be converted; 2 is untagged, others are rare or broken
BT709_MIN_LINES = 720  # lines; video without a known matrix is read as BT.709 from here on, below as BT.601
PLANAR_FORMATS = {"nv12": "yuv420p", "p010le": "yuv420p10le"}  # the same samples, with the colours in two planes
RgbPicture = NDArray[np.uint8]  # [H, W, 3]


def read(
    path: Path,
    run: int = 16,
    size: tuple[int, int] | None = None,
    limits: Limits = Limits(),
    warn: Callable[[str], None] = ignore_warning,
    rate: float = inf,
    decoder: DecoderName = "software",
) -> Iterator[Frames]:
    """Yield the video in runs of `run` frames (the last may be shorter), scaled to `size` (height, width) if given.
    Of more than `rate` frames per second, some are skipped.

    Frames are upright, deinterlaced, in BT.709 and have square pixels. `seconds` count from the first frame, in
    float64. `data` is a permuted view: `.permute(0, 2, 3, 1).numpy()` does not copy. Files that the header shows to be
    unusable are refused at the call, before the first run is requested. The frames of both decoders are the same; nvdec
    needs a GPU, and no command asks for it before it is measured to be faster.
    """
    return read_frame_runs(open_video(path, limits, decoder), run, size, limits, warn_once(warn), rate)


def read_frame_runs(
    clip: OpenVideo,
    run: int,
    size: tuple[int, int] | None,
    limits: Limits,
    say: Callable[[str], None],
    rate: float,
) -> Iterator[Frames]:
    """Generate the runs of an open video, and close it at the end."""
    tally = DecodeTally()
    with clip.container:
        for oddity in clip.oddities:
            say(oddity)
        whole = deinterlace_frames(decode_frames(clip, limits, tally), tally, say)
        timed = skip_frames(assign_timestamps(whole, clip.rate, tally, say), rate)
        coming = convert_frames(timed, clip, size, limits, tally, say)
        for first in coming:
            yield stack_frame_run(chain([first], islice(coming, run - 1)), run)
        check_decode_result(clip, limits, tally, say)


def skip_frames(frames: Iterable[tuple[float, VideoFrame]], rate: float) -> Iterator[tuple[float, VideoFrame]]:
    """At most `rate` frames per second."""
    last = -inf
    for now, frame in frames:
        if now - last > 0.99 / rate:
            last = now
            yield now, frame


def stack_frame_run(some: Iterable[tuple[float, RgbPicture]], run: int) -> Frames:
    """Stack up to `run` frames into one contiguous buffer."""
    seconds: list[float] = []
    data = np.empty(0, np.uint8)
    for now, picture in some:
        data = data if seconds else np.empty((run, *picture.shape), np.uint8)
        data[len(seconds)] = picture
        seconds.append(now)
    held = torch.from_numpy(data[: len(seconds)])
    return Frames(held.permute(0, 3, 1, 2), torch.tensor(seconds, dtype=torch.float64))


def convert_frames(
    frames: Iterable[tuple[float, VideoFrame]],
    clip: OpenVideo,
    size: tuple[int, int] | None,
    limits: Limits,
    tally: DecodeTally,
    say: Callable[[str], None],
) -> Iterator[tuple[float, RgbPicture]]:
    """Convert each frame to an upright RGB array of one size. Each is valid only until the next is requested."""
    reformatter = VideoReformatter()
    stored: tuple[int, int] | None = None
    for now, frame in frames:
        size = size or upright_frame_size(clip, frame)
        stored = stored or (frame.height, frame.width)
        check_frame_size(clip.path, size[1], size[0], limits)
        if stored != (frame.height, frame.width):
            say("the frame size changes inside the video; all were scaled to the first size")
        if frame.color_trc in HDR_TRANSFERS:
            say("the video is HDR; its colours were converted to standard range")
        try:
            picture = to_rgb_array(reformatter, frame, size)
        except (OSError, ValueError, av.FFmpegError):  # colours that cannot be converted
            tally.unreadable += 1
            continue
        yield check_timestamp_limit(now, clip, limits), picture


def is_mirrored(frame: VideoFrame) -> bool:
    """Whether players swap left and right of the stored frame before they rotate it."""
    try:
        container = SideDataContainer(frame)  # type: ignore[call-arg]  # frame.side_data would never free the frame
        stored = container.get(SideDataType.DISPLAYMATRIX)
    except ValueError:  # side data that PyAV does not know
        return False
    if stored is None:
        return False
    across_x, across_y, _, down_x, down_y = np.frombuffer(bytes(stored), "=i4")[:5].tolist()
    return bool(across_x * down_y < across_y * down_x)


def quarter_turns(frame: VideoFrame) -> int:
    """Counterclockwise quarter turns that bring the stored frame, mirrored if it is to be, upright."""
    return round(((frame.rotation or 0) + 180 * is_mirrored(frame)) / 90) % 4


def upright_frame_size(clip: OpenVideo, frame: VideoFrame) -> tuple[int, int]:
    """Height and width of the frame as displayed: upright, with square pixels."""
    width = max(1, round(frame.width * clip.aspect))
    return (width, frame.height) if quarter_turns(frame) % 2 else (frame.height, width)


def source_colour_matrix(frame: VideoFrame) -> Colorspace | None:
    """The colour matrix to assume where the frame has none that can be converted; None keeps the frame's own."""
    if frame.format.is_rgb or frame.colorspace in COLOUR_MATRICES:
        return None
    return Colorspace.ITU709 if frame.height >= BT709_MIN_LINES else Colorspace.ITU601


def to_rgb_array(reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int]) -> RgbPicture:
    """Convert a frame to an upright RGB array of the given size; HDR is tone-mapped to BT.709."""
    turns, mirrored = quarter_turns(frame), is_mirrored(frame)
    height, width = size[::-1] if turns % 2 else size
    if frame.format.name in PLANAR_FORMATS:  # of NVDEC; converted directly, colours would be rounded another way
        frame = VideoReformatter().reformat(frame, format=PLANAR_FORMATS[frame.format.name])
    wide = needs_colour_table(frame.color_primaries, frame.color_trc)
    picture = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="rgb48le" if wide else "rgb24",
        src_colorspace=source_colour_matrix(frame),
        interpolation=Interpolation.AREA if (height, width) != (frame.height, frame.width) else None,
    )
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), "<u2" if wide else np.uint8).reshape(height, -1)
    rgb = rows[:, : 3 * width].reshape(height, width, 3)
    seen = convert_to_bt709(rgb, frame.color_primaries, frame.color_trc) if wide else rgb
    return np.rot90(seen[:, ::-1] if mirrored else seen, turns)
