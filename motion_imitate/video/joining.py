"""Parts of one video to a whole: their pictures as they are, not coded again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import av

from motion_imitate.files import replaced, sweep, trouble
from motion_imitate.video.errors import NoFrames, ignored
from motion_imitate.video.formats import format_of
from motion_imitate.video.opening import VideoPacket, open_container
from motion_imitate.video.sound import add_sound, silent
from motion_imitate.video.writing import closed, muxed, refuse


def join(
    path: Path,
    parts: Sequence[tuple[float, Path]],
    sound_from: Path | None = None,
    tags: Mapping[str, str] | None = None,
    warn: Callable[[str], None] = ignored,
) -> int:
    """Write parts that `write` has made, each from its second on, and return how many pictures there were. The sound of
    `sound_from` starts with the first."""
    refuse(path, sound_from)
    format = format_of(path)
    if not parts:
        raise NoFrames(f"no parts came for {path}, so nothing was written; give at least one")
    sweep(path)
    with replaced(path) as part, open_container(parts[0][1]) as first:
        with trouble(path, av.FFmpegError):
            out = av.open(str(part), "w", format=format.name, options=format.muxer)
        with closed(out, path):
            out.metadata.update(tags or {})
            track = out.add_stream_from_template(first.streams.video[0])
            track.metadata.update(first.streams.video[0].metadata)
            sound = add_sound(out, format, sound_from, parts[0][0], warn) if sound_from else silent()
            packets = ((second, belonging(packet, track)) for second, packet in moved(parts))
            return muxed(out, packets, sound, path, warn)


def belonging(packet: VideoPacket | None, track: av.VideoStream) -> VideoPacket | None:
    if packet is not None:
        packet.stream = track
    return packet


def moved(parts: Sequence[tuple[float, Path]]) -> Iterator[tuple[float, VideoPacket | None]]:
    """The packets by their seconds, each part where it belongs; last, the time when it is over."""
    over = 0.0
    for second, path in parts:
        with open_container(path) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.dts is None or packet.pts is None:
                    continue
                tick = packet.time_base
                later = round((second - parts[0][0]) / tick)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                at = float(packet.pts * tick)
                over = max(over, at + float((packet.duration or 0) * tick))
                yield at, packet
    yield over, None
