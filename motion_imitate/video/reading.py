"""Runs of upright RGB pictures with true times, out of any video."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray

from motion_imitate.types import Frames
from motion_imitate.video.decoding import Tally, pictures, progressive, timed, verdict, within
from motion_imitate.video.errors import Limits, ignored, once
from motion_imitate.video.opening import Clip, check_size, open_clip

HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
MATRICES = {0, 1, 4, 5, 6, 7, 9}  # of the colours that can be converted; 2 is untagged, others are rare or broken
HD = 720  # lines from which on a video of another matrix is taken for BT.709, as players do; BT.601 below
Picture = NDArray[np.uint8]  # [H, W, 3]


def read(
    path: Path,
    run: int = 16,
    size: tuple[int, int] | None = None,
    limits: Limits = Limits(),
    warn: Callable[[str], None] = ignored,
) -> Iterator[Frames]:
    """The video in runs of `run` frames, the last one shorter, scaled to `size` (height, width) where it is given.

    Upright, with square pixels, without combs, in BT.709. `seconds` count from the first frame, in float64.
    `data` is a permuted view: `.permute(0, 2, 3, 1).numpy()` costs nothing.
    What can be refused by looking at the header is refused at the call.
    """
    return runs(open_clip(path, limits), run, size, limits, once(warn))


def runs(
    clip: Clip, run: int, size: tuple[int, int] | None, limits: Limits, say: Callable[[str], None]
) -> Iterator[Frames]:
    tally = Tally()
    with clip.container:
        for oddity in clip.oddities:
            say(oddity)
        whole = progressive(pictures(clip, limits, tally), tally, say)
        coming = shown(timed(whole, clip.rate, tally, say), clip, size, limits, tally, say)
        for first in coming:
            yield gathered(chain([first], islice(coming, run - 1)), run)
        verdict(clip, limits, tally, say)


def gathered(some: Iterable[tuple[float, Picture]], run: int) -> Frames:
    seconds: list[float] = []
    data = np.empty(0, np.uint8)
    for now, picture in some:
        data = data if seconds else np.empty((run, *picture.shape), np.uint8)
        data[len(seconds)] = picture
        seconds.append(now)
    held = torch.from_numpy(data[: len(seconds)])
    return Frames(held.permute(0, 3, 1, 2), torch.tensor(seconds, dtype=torch.float64))


def shown(
    frames: Iterable[tuple[float, VideoFrame]],
    clip: Clip,
    size: tuple[int, int] | None,
    limits: Limits,
    tally: Tally,
    say: Callable[[str], None],
) -> Iterator[tuple[float, Picture]]:
    """Each picture upright, all of one size; a picture is good until the next is asked for."""
    reformatter = VideoReformatter()
    stored: tuple[int, int] | None = None
    for now, frame in frames:
        size = size or upright_size(clip, frame)
        stored = stored or (frame.height, frame.width)
        check_size(clip.path, size[1], size[0], limits)
        if stored != (frame.height, frame.width):
            say("the frame size changes inside the video: all were scaled to the first")
        if frame.color_trc in HDR:
            say("the video is HDR: its colours were brought to the normal range")
        try:
            picture = rgb(reformatter, frame, size)
        except (OSError, ValueError, av.FFmpegError):  # colours that nothing can convert
            tally.unreadable += 1
            continue
        yield within(now, clip, limits), picture


def quarter_turns(frame: VideoFrame) -> int:
    """How often the stored picture is to be turned to the left, to stand upright."""
    return round((frame.rotation or 0) / 90) % 4


def upright_size(clip: Clip, frame: VideoFrame) -> tuple[int, int]:
    """Height and width as they are meant to be seen."""
    width = max(1, round(frame.width * clip.aspect))
    return (width, frame.height) if quarter_turns(frame) % 2 else (frame.height, width)


def matrix(frame: VideoFrame) -> Colorspace | None:
    if frame.format.is_rgb or frame.colorspace in MATRICES:
        return None
    return Colorspace.ITU709 if frame.height >= HD else Colorspace.ITU601


def rgb(reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int]) -> Picture:
    turns = quarter_turns(frame)
    height, width = size[::-1] if turns % 2 else size
    hdr = frame.color_trc in HDR
    picture = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=matrix(frame),
        interpolation=Interpolation.AREA if (height, width) != (frame.height, frame.width) else None,
        dst_colorspace=Colorspace.ITU709 if hdr else None,
        dst_color_trc=ColorTrc.BT709 if hdr else None,
        dst_color_primaries=ColorPrimaries.BT709 if hdr else None,
    )
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
    return np.rot90(rows[:, : 3 * width].reshape(height, width, 3), turns)
