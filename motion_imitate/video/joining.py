"""Concatenate parts of a video without re-encoding their frames."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import av

from motion_imitate.files import raise_output_errors, remove_stale_parts, write_atomically
from motion_imitate.video.errors import NoFrames, ignore_warning
from motion_imitate.video.formats import choose_container_format
from motion_imitate.video.opening import VideoPacket, open_container
from motion_imitate.video.sound import add_sound, no_sound_packets
from motion_imitate.video.writing import check_output_file, close_container, mux_tracks


def join(
    path: Path,
    parts: Sequence[tuple[float, Path]],
    sound_from: Path | None = None,
    tags: Mapping[str, str] | None = None,
    warn: Callable[[str], None] = ignore_warning,
) -> int:
    """Write parts made by `write` into one file, each starting at its second, and return the number of frames.

    The sound of `sound_from` starts with the first part.
    """
    check_output_file(path, sound_from)
    format = choose_container_format(path)
    if not parts:
        raise NoFrames(f"no parts to join into {path}; give at least one")
    remove_stale_parts(path)
    with write_atomically(path) as part, open_container(parts[0][1]) as first:
        with raise_output_errors(path, av.FFmpegError):
            out = av.open(str(part), "w", format=format.name, options=format.muxer)
        with close_container(out, path):
            out.metadata.update(tags or {})
            track = out.add_stream_from_template(first.streams.video[0])
            track.metadata.update(first.streams.video[0].metadata)
            sound = add_sound(out, format, sound_from, parts[0][0], warn) if sound_from else no_sound_packets()
            packets = ((second, assign_stream(packet, track)) for second, packet in shift_packets(parts))
            return mux_tracks(out, packets, sound, path, warn)


def assign_stream(packet: VideoPacket | None, track: av.VideoStream) -> VideoPacket | None:
    """Assign a packet to the output stream."""
    if packet is not None:
        packet.stream = track
    return packet


def shift_packets(parts: Sequence[tuple[float, Path]]) -> Iterator[tuple[float, VideoPacket | None]]:
    """Yield each part's packets with their times, shifted to where the part belongs.

    The last item is the end time, with None for the packet.
    """
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
