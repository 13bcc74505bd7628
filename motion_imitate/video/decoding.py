"""From an open file to whole pictures, each with its time, whatever is wrong in between."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from motion_imitate.video.errors import Damaged, Limits, NoFrames, TooLarge
from motion_imitate.video.opening import Clip, VideoPacket, check_size, fraction

GAP = 60.0  # seconds; a longer leap of the clock is taken for a broken clock
BACK = 0.5  # seconds; a longer step back is taken for a clock set anew
WHOLE = 0.98  # of what a file promises; one that has as much is not called cut off


@dataclass
class Tally:
    """What went by, for the verdict at the end."""

    packets: int = 0
    unreadable: int = 0
    shown: int = 0
    flawed: int = 0
    torn: bool = False  # the last packet was not whole
    until: float = 0.0  # seconds on the file's own clock


def pictures(clip: Clip, limits: Limits, tally: Tally) -> Iterator[VideoFrame]:
    """All that can be decoded, as it was stored."""
    for packet in packets(clip, tally):
        for frame in decoded(clip, packet, tally):
            check_size(clip.path, frame.width, frame.height, limits)
            tally.shown += 1
            tally.flawed += frame.is_corrupt
            yield frame


def packets(clip: Clip, tally: Tally) -> Iterator[VideoPacket | None]:
    """Ends in None, to be decoded too; a file that turns into nonsense ends there."""
    try:
        for packet in clip.container.demux(clip.stream):
            if not packet.size:
                break
            tally.packets += 1
            tally.torn = packet.is_corrupt
            yield packet
    except (av.FFmpegError, IndexError):  # a bare IndexError where the streams of a broken TS change
        tally.torn = True
    yield None


def decoded(clip: Clip, packet: VideoPacket | None, tally: Tally) -> list[VideoFrame]:
    try:
        frames = clip.stream.decode(packet)
    except av.FFmpegError:
        tally.unreadable += 1
        return []
    for frame in frames:
        frame.time_base = frame.time_base or clip.stream.time_base
    return frames


def progressive(frames: Iterable[VideoFrame], tally: Tally, say: Callable[[str], None]) -> Iterator[VideoFrame]:
    """Interlaced pictures without their combs; from the first of them on, all go through the filter."""
    graph, like = None, None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        look = (frame.width, frame.height, frame.format.name)
        if graph is None or look != like:
            yield from filtered(graph, None, tally)
            graph, like = deinterlacer(frame), look
            say("the video is interlaced: its lines were woven into whole pictures")
        yield from filtered(graph, frame, tally)
    yield from filtered(graph, None, tally)


def deinterlacer(frame: VideoFrame) -> Graph:
    graph = Graph()
    into = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=fraction(frame.time_base)
    )
    graph.link_nodes(into, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")).configure()
    return graph


def filtered(graph: Graph | None, frame: VideoFrame | None, tally: Tally) -> Iterator[VideoFrame]:
    """What comes out of the filter when a frame, or None as the last, goes in."""
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


def stamp(frame: VideoFrame) -> float | None:
    """Seconds on the file's clock."""
    base = fraction(frame.time_base)  # the frame's own: a filter may have changed it
    return float(frame.pts * base) if frame.pts is not None and base else None


def timed(
    frames: Iterable[VideoFrame], rate: Fraction, tally: Tally, say: Callable[[str], None]
) -> Iterator[tuple[float, VideoFrame]]:
    """Each picture with its seconds from the first, always later than the one before."""
    step = float(1 / rate)
    last, start = -step, None
    for frame in frames:
        at, now = stamp(frame), last + step
        if at is None:
            say("some pictures have no time: they were spread evenly")
        else:
            tally.until = at
            start = at - now if start is None else start
            if not last - BACK <= at - start <= last + GAP:
                say("the clock leaps inside the video: it was taken to go on evenly")
                start = at - now
            now = at - start
            if now <= last:
                say("some pictures are not later than the one before: they were moved by half a step")
                now = last + step / 2
        last = now
        yield now, frame


def verdict(clip: Clip, limits: Limits, tally: Tally, warn: Callable[[str], None]) -> None:
    """After the last picture: whether this was the whole video."""
    if not tally.shown:
        raise NoFrames(f"{clip.path} opens, but not one picture in it can be decoded; give a video that plays")
    if tally.unreadable > limits.damage * (tally.shown + tally.unreadable):
        raise Damaged(
            f"{clip.path} is too damaged: {tally.unreadable} packets unreadable beside {tally.shown} pictures; "
            "give a better copy"
        )
    for fault in faults(clip, tally):
        if limits.strict:
            raise Damaged(f"{clip.path}: {fault}; give a whole copy, or allow damage")
        warn(fault)


def faults(clip: Clip, tally: Tally) -> Iterator[str]:
    if tally.unreadable or tally.flawed:
        yield f"the video is damaged: {tally.unreadable} packets unreadable, {tally.flawed} pictures with flaws"
    promised, frame = clip.stream.frames, float(1 / clip.rate)
    if promised and tally.packets < promised * WHOLE - 1:
        yield f"the video is cut off: {tally.packets} of {promised} pictures are there"
    elif not promised and clip.end and tally.until + 3 * frame < clip.end * WHOLE:
        yield f"the video is cut off: its pictures end at {tally.until:.2f} s, it should last until {clip.end:.2f} s"
    elif tally.torn or not clip.whole:
        yield "the file is cut off: its last part is not whole"


def within(seconds: float, clip: Clip, limits: Limits) -> float:
    if seconds > limits.seconds:
        raise TooLarge(f"{clip.path} goes on after the limit of {limits.seconds:.0f} s; cut it, or raise the limit")
    return seconds
