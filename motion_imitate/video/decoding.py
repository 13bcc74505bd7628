"""Decode an open video into frames with timestamps, tolerating damage."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from motion_imitate.video.errors import Damaged, Limits, NoFrames, TooLarge
from motion_imitate.video.opening import OpenVideo, VideoPacket, check_frame_size, to_fraction

MAX_CLOCK_GAP = 60.0  # seconds; a longer jump forward is treated as a clock error
MAX_CLOCK_STEP_BACK = 0.5  # seconds; a longer jump back is treated as a clock reset
COMPLETE_SHARE = 0.98  # of the claimed length; a file with at least this much is not reported as cut off


@dataclass
class DecodeTally:
    """Counters collected while decoding, for `check_decode_result`."""

    packets: int = 0
    unreadable: int = 0
    shown: int = 0
    flawed: int = 0
    torn: bool = False  # the last packet was incomplete
    until: float = 0.0  # seconds on the file's own clock


def decode_frames(clip: OpenVideo, limits: Limits, tally: DecodeTally) -> Iterator[VideoFrame]:
    """Yield every frame that can be decoded, as stored: not yet deinterlaced, rotated or converted."""
    for packet in demux_packets(clip, tally):
        for frame in decode_packet(clip, packet, tally):
            check_frame_size(clip.path, frame.width, frame.height, limits)
            tally.shown += 1
            tally.flawed += frame.is_corrupt
            yield frame


def demux_packets(clip: OpenVideo, tally: DecodeTally) -> Iterator[VideoPacket | None]:
    """Yield the stream's packets, then None to flush the decoder.

    A file that turns into garbage ends the iteration instead of raising.
    """
    try:
        for packet in clip.container.demux(clip.stream):
            if not packet.size:
                break
            tally.packets += 1
            tally.torn = packet.is_corrupt
            yield packet
    except (av.FFmpegError, IndexError):  # PyAV raises a bare IndexError where the streams of a broken TS change
        tally.torn = True
    yield None


def decode_packet(clip: OpenVideo, packet: VideoPacket | None, tally: DecodeTally) -> list[VideoFrame]:
    """Decode one packet; None flushes the decoder. An unreadable packet is counted and gives no frames."""
    try:
        frames = clip.stream.decode(packet)
    except av.FFmpegError:
        tally.unreadable += 1
        return []
    for frame in frames:
        frame.time_base = frame.time_base or clip.stream.time_base
    return frames


def deinterlace_frames(
    frames: Iterable[VideoFrame], tally: DecodeTally, say: Callable[[str], None]
) -> Iterator[VideoFrame]:
    """Deinterlace the video. From the first interlaced frame on, every frame passes through the filter."""
    graph, like = None, None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        look = (frame.width, frame.height, frame.format.name)
        if graph is None or look != like:
            yield from filter_frame(graph, None, tally)
            graph, like = build_deinterlacer(frame), look
            say("the video is interlaced; its frames were deinterlaced")
        yield from filter_frame(graph, frame, tally)
    yield from filter_frame(graph, None, tally)


def build_deinterlacer(frame: VideoFrame) -> Graph:
    """Build a bwdif filter graph for frames of this size and pixel format."""
    graph = Graph()
    into = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=to_fraction(frame.time_base)
    )
    graph.link_nodes(into, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")).configure()
    return graph


def filter_frame(graph: Graph | None, frame: VideoFrame | None, tally: DecodeTally) -> Iterator[VideoFrame]:
    """Push a frame, or None to flush, into the filter graph and yield the frames that come out."""
    if graph is None:
        return
    try:
        graph.vpush(frame)
        while True:
            yield graph.vpull()
    except (av.BlockingIOError, av.EOFError):
        return
    except av.FFmpegError:
        tally.unreadable += 1


def frame_timestamp(frame: VideoFrame) -> float | None:
    """The frame's timestamp in seconds on the file's clock; None if it has none."""
    base = to_fraction(frame.time_base)  # the frame's own: a filter may have changed it
    return float(frame.pts * base) if frame.pts is not None and base else None


def assign_timestamps(
    frames: Iterable[VideoFrame], rate: Fraction, tally: DecodeTally, say: Callable[[str], None]
) -> Iterator[tuple[float, VideoFrame]]:
    """Pair each frame with its time in seconds since the first one; times strictly increase.

    Frames without a timestamp are spaced evenly, and jumps of the file's clock are removed.
    """
    step = float(1 / rate)
    last, start = -step, None
    for frame in frames:
        at, now = frame_timestamp(frame), last + step
        if at is None:
            say("some frames have no timestamp; they were spaced evenly")
        else:
            tally.until = at
            start = at - now if start is None else start
            if not last - MAX_CLOCK_STEP_BACK <= at - start <= last + MAX_CLOCK_GAP:
                say("the timestamps jump inside the video; the jump was removed")
                start = at - now
            now = at - start
            if now <= last:
                say("some frames are not later than the one before; they were moved by half a frame")
                now = last + step / 2
        last = now
        yield now, frame


def check_decode_result(clip: OpenVideo, limits: Limits, tally: DecodeTally, warn: Callable[[str], None]) -> None:
    """Check, after the last frame, that the video was decoded completely; warn or raise if not."""
    if not tally.shown:
        raise NoFrames(f"{clip.path} opens, but none of its frames can be decoded; give a video that plays")
    if tally.unreadable > limits.damage * (tally.shown + tally.unreadable):
        raise Damaged(
            f"{clip.path} is too damaged: {tally.unreadable} unreadable packets and {tally.shown} readable frames; "
            "give a better copy"
        )
    for fault in find_decode_faults(clip, tally):
        if limits.strict:
            raise Damaged(f"{clip.path}: {fault}; give a complete copy, or allow damage")
        warn(fault)


def find_decode_faults(clip: OpenVideo, tally: DecodeTally) -> Iterator[str]:
    """Describe what is damaged or missing, one sentence each."""
    if tally.unreadable or tally.flawed:
        yield f"the video is damaged: {tally.unreadable} unreadable packets, {tally.flawed} corrupt frames"
    promised, frame = clip.stream.frames, float(1 / clip.rate)
    if promised and tally.packets < promised * COMPLETE_SHARE - 1:
        yield f"the video is cut off: it has {tally.packets} of {promised} frames"
    elif not promised and clip.end and tally.until + 3 * frame < clip.end * COMPLETE_SHARE:
        yield f"the video is cut off: its frames end at {tally.until:.2f} s instead of {clip.end:.2f} s"
    elif tally.torn or not clip.whole:
        yield "the file is cut off: its last part is incomplete"


def check_timestamp_limit(seconds: float, clip: OpenVideo, limits: Limits) -> float:
    """Return `seconds` unchanged; raise TooLarge if they exceed the duration limit."""
    if seconds > limits.seconds:
        raise TooLarge(
            f"{clip.path} lasts longer than the limit of {limits.seconds:.0f} s; shorten it, or raise the limit"
        )
    return seconds
