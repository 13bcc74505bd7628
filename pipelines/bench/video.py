"""How fast videos are read and written, against plain PyAV, and that memory stays where it is."""

import os
import resource
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import av
import cv2
import numpy as np
import torch

from motion_imitate.types import Frames
from motion_imitate.video import Encoding, read, write

RATE = 30
HD, SMALL = (1080, 1920), (288, 512)
COUNT = 150  # frames of the big clip
LONG = 20_000  # frames of the long one
TIMES = 3


def measure(_: Path | None = None) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield from memory(Path(folder))  # first, while the peak is still its own
        clip = Path(folder) / "hd.mp4"
        write(clip, moving(HD, COUNT), RATE)
        yield from decoding(clip)
        yield from encoding(clip, Path(folder) / "out.mp4")


def moving(size: tuple[int, int], count: int, run: int = 10) -> Iterator[Frames]:
    """A soft texture with a little grain that drifts, about as hard to code as a film."""
    height, width = size
    random = np.random.default_rng(0)
    rough = random.integers(0, 256, (height // 8 + 2, width // 4 + 2, 3), np.uint8)
    texture = cv2.resize(rough, (width * 2, height + 16), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    texture = (texture + random.integers(-4, 5, texture.shape)).clip(0, 255).astype(np.uint8)
    for start in range(0, count, run):
        numbers = range(start, min(start + run, count))
        data = np.stack([texture[i % 16 :][:height, i * 3 % width :][:, :width] for i in numbers])
        seconds = torch.tensor([i / RATE for i in numbers], dtype=torch.float64)
        yield Frames(torch.from_numpy(data).permute(0, 3, 1, 2), seconds)


def compared(what: str, works: dict[str, Callable[[], int]]) -> Iterator[str]:
    """Frames a second of each, in turns, so that a busy moment hits all; the first is what the others are held to."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TIMES):
        for name, work in works.items():
            begun = perf_counter()
            rates[name].append(work() / (perf_counter() - begun))
    base = median(next(iter(rates.values())))
    yield what
    for name, tries in rates.items():
        yield f"  {name:<44} {median(tries):7.1f} frames/s  x{median(tries) / base:.2f}"


def decoding(clip: Path) -> Iterator[str]:
    yield from compared(
        f"decode {COUNT} frames of 1920x1080 to RGB",
        {
            "plain PyAV loop, to_ndarray": lambda: plainly_read(clip, "SLICE"),
            "plain PyAV loop, all threads": lambda: plainly_read(clip, "AUTO"),
            "read": lambda: sum(len(run) for run in read(clip)),
        },
    )
    yield from compared(
        "decode the same to 512x288",
        {
            "plain PyAV loop, all threads, OpenCV areas": lambda: plainly_read(clip, "AUTO", SMALL),
            "read(size=...)": lambda: sum(len(run) for run in read(clip, size=SMALL)),
        },
    )


def plainly_read(clip: Path, thread_type: str, size: tuple[int, int] | None = None) -> int:
    count = 0
    with av.open(str(clip)) as file:
        file.streams.video[0].thread_type = thread_type
        for frame in file.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            if size is not None:
                cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
            count += 1
    return count


def encoding(clip: Path, out: Path) -> Iterator[str]:
    runs = list(islice(read(clip, run=10), 6))
    yield from compared(
        f"encode {sum(len(run) for run in runs)} frames of 1920x1080",
        {
            "plain PyAV loop, veryfast": lambda: plainly_write(out, runs, "veryfast"),
            "write, veryfast": lambda: write(out, runs, RATE),
            "write, ultrafast": lambda: write(out, runs, RATE, how=Encoding(preset="ultrafast")),
            "write, fast": lambda: write(out, runs, RATE, how=Encoding(preset="fast")),
        },
    )


def plainly_write(out: Path, runs: list[Frames], preset: str) -> int:
    count = 0
    with av.open(str(out), "w") as file:
        track = file.add_stream("libx264", rate=RATE, options={"preset": preset, "crf": "18"})
        track.height, track.width, track.pix_fmt = *HD, "yuv420p"
        for run in runs:
            for image in run.data.permute(0, 2, 3, 1).numpy():
                file.mux(track.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                count += 1
        file.mux(track.encode(None))
    return count


def memory(folder: Path) -> Iterator[str]:
    """Through reading and writing at once."""
    clip = folder / "long.mkv"
    long_clip(clip)
    yield f"memory through {LONG} frames of 64x64, read and written"
    told: list[str] = []
    begun = perf_counter()
    count = write(folder / "long.mp4", watched(read(clip), told), RATE)
    yield from told
    yield f"  {count} frames, {count / (perf_counter() - begun):.0f} frames/s"


def watched(runs: Iterable[Frames], told: list[str]) -> Iterator[Frames]:
    count = 0
    for run in runs:
        before, count = count, count + len(run)
        if count // (LONG // 5) > before // (LONG // 5) or before < 1000 <= count:
            now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            told.append(f"  after {count:6d} frames: {now:6.1f} MiB, peak {peak:6.1f} MiB")
        yield run


def long_clip(path: Path) -> None:
    """The same few coded pictures again and again."""
    with av.open(str(path), "w") as out:
        track = out.add_stream("mjpeg", rate=RATE)
        track.height, track.width, track.pix_fmt = 64, 64, "yuvj420p"
        pictures = [image for run in moving((64, 64), 20) for image in run.data.permute(0, 2, 3, 1).numpy()]
        frames = [av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24") for image in pictures]
        stored = [bytes(packet) for frame in frames for packet in track.encode(frame)]
        for i in range(LONG):
            packet = av.Packet(stored[i % len(stored)])
            packet.stream, packet.time_base = track, Fraction(1, RATE)
            packet.pts = packet.dts = i
            packet.is_keyframe = True
            out.mux(packet)
