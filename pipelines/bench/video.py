"""Benchmark reading and writing video against plain PyAV, and check that memory stays constant."""

import os
import resource
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
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
from motion_imitate.video import Encoding, nvdec_works, nvenc_works, read, write
from motion_imitate.video.opening import DecoderName

BENCH_RATE = 30
HD_SIZE, SMALL_SIZE = (1080, 1920), (288, 512)
HD_CLIP_FRAMES = 150  # frames of the HD clip
LONG_VIDEO_FRAMES = 20_000  # frames of the long clip
VIDEO_REPEATS = 3
CODEC_SIZES, CODEC_FRAMES = ((720, 1280), (1080, 1920)), 120
ENCODERS = {
    "x264": Encoding(preset="superfast"),  # as of every rendered video
    "nvenc": Encoding(encoder="nvenc"),
}


def measure_video(_: Path | None = None) -> Iterator[str]:
    """Lines on memory, decoding and encoding."""
    with TemporaryDirectory() as folder:
        yield from measure_video_memory(Path(folder))  # first, while the process's peak memory is still its own
        clip = Path(folder) / "hd.mp4"
        write(clip, drifting_texture(HD_SIZE, HD_CLIP_FRAMES), BENCH_RATE)
        yield from measure_decoding(clip)
        yield from measure_encoding(clip, Path(folder) / "out.mp4")


def measure_codecs(_: Path | None = None) -> Iterator[str]:
    """Lines on the CPU's encoder and decoder beside a GPU's: x264 and NVENC, FFmpeg's own and NVDEC."""
    with TemporaryDirectory() as folder:
        for height, width in CODEC_SIZES:
            runs, clip = [*drifting_texture((height, width), CODEC_FRAMES)], Path(folder) / f"{height}.mp4"
            encode: dict[str, Callable[[], int]] = {
                name: partial(write, clip.with_suffix(f".{name}.mp4"), runs, BENCH_RATE, how=ENCODERS[name])
                for name in ("x264", "nvenc")
                if name == "x264" or nvenc_works((height, width))
            }
            yield from compare_rates(f"encode {CODEC_FRAMES} frames of {width}x{height}", encode)
            if "nvenc" not in encode:
                yield "  nvenc: does not work here"
            write(clip, runs, BENCH_RATE, how=ENCODERS["x264"])
            decoders: list[DecoderName] = ["software", "nvdec"] if nvdec_works() else ["software"]
            decode: dict[str, Callable[[], int]] = {name: partial(count_decoded, clip, name) for name in decoders}
            yield from compare_rates(f"decode {CODEC_FRAMES} frames of {width}x{height} to RGB", decode)
            if "nvdec" not in decode:
                yield "  nvdec: does not work here"


def count_decoded(clip: Path, decoder: DecoderName) -> int:
    """Decode a clip and return its number of frames."""
    return sum(len(run) for run in read(clip, decoder=decoder))


def drifting_texture(size: tuple[int, int], count: int, run: int = 10) -> Iterator[Frames]:
    """A drifting soft texture with some grain, about as hard to encode as film."""
    height, width = size
    random = np.random.default_rng(0)
    rough = random.integers(0, 256, (height // 8 + 2, width // 4 + 2, 3), np.uint8)
    texture = cv2.resize(rough, (width * 2, height + 16), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    texture = (texture + random.integers(-4, 5, texture.shape)).clip(0, 255).astype(np.uint8)
    for start in range(0, count, run):
        numbers = range(start, min(start + run, count))
        data = np.stack([texture[i % 16 :][:height, i * 3 % width :][:, :width] for i in numbers])
        seconds = torch.tensor([i / BENCH_RATE for i in numbers], dtype=torch.float64)
        yield Frames(torch.from_numpy(data).permute(0, 3, 1, 2), seconds)


def compare_rates(what: str, works: dict[str, Callable[[], int]]) -> Iterator[str]:
    """Median frames per second of each callable, run in turns; rates are relative to the first."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(VIDEO_REPEATS):
        for name, work in works.items():
            begun = perf_counter()
            rates[name].append(work() / (perf_counter() - begun))
    base = median(next(iter(rates.values())))
    yield what
    for name, tries in rates.items():
        yield f"  {name:<44} {median(tries):7.1f} frames/s  x{median(tries) / base:.2f}"


def measure_decoding(clip: Path) -> Iterator[str]:
    """Decoding speed of `read` against plain PyAV."""
    yield from compare_rates(
        f"decode {HD_CLIP_FRAMES} frames of 1920x1080 to RGB",
        {
            "plain PyAV loop, to_ndarray": lambda: read_with_pyav(clip, "SLICE"),
            "plain PyAV loop, all threads": lambda: read_with_pyav(clip, "AUTO"),
            "read": lambda: sum(len(run) for run in read(clip)),
        },
    )
    yield from compare_rates(
        "decode the same to 512x288",
        {
            "plain PyAV loop, all threads, OpenCV areas": lambda: read_with_pyav(clip, "AUTO", SMALL_SIZE),
            "read(size=...)": lambda: sum(len(run) for run in read(clip, size=SMALL_SIZE)),
        },
    )


def read_with_pyav(clip: Path, thread_type: str, size: tuple[int, int] | None = None) -> int:
    """Decode a clip with plain PyAV and return its number of frames."""
    count = 0
    with av.open(str(clip)) as file:
        file.streams.video[0].thread_type = thread_type
        for frame in file.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            if size is not None:
                cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
            count += 1
    return count


def measure_encoding(clip: Path, out: Path) -> Iterator[str]:
    """Encoding speed of `write` against plain PyAV."""
    runs = list(islice(read(clip, run=10), 6))
    yield from compare_rates(
        f"encode {sum(len(run) for run in runs)} frames of 1920x1080",
        {
            "plain PyAV loop, veryfast": lambda: write_with_pyav(out, runs, "veryfast"),
            "write, veryfast": lambda: write(out, runs, BENCH_RATE),
            "write, ultrafast": lambda: write(out, runs, BENCH_RATE, how=Encoding(preset="ultrafast")),
            "write, fast": lambda: write(out, runs, BENCH_RATE, how=Encoding(preset="fast")),
        },
    )


def write_with_pyav(out: Path, runs: list[Frames], preset: str) -> int:
    """Encode the frames with plain PyAV and return their number."""
    count = 0
    with av.open(str(out), "w") as file:
        track = file.add_stream("libx264", rate=BENCH_RATE, options={"preset": preset, "crf": "18"})
        track.height, track.width, track.pix_fmt = *HD_SIZE, "yuv420p"
        for run in runs:
            for image in run.data.permute(0, 2, 3, 1).numpy():
                file.mux(track.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                count += 1
        file.mux(track.encode(None))
    return count


def measure_video_memory(folder: Path) -> Iterator[str]:
    """Memory while a long clip is read and written at once."""
    clip = folder / "long.mkv"
    write_long_clip(clip)
    yield f"memory while {LONG_VIDEO_FRAMES} frames of 64x64 are read and written"
    told: list[str] = []
    begun = perf_counter()
    count = write(folder / "long.mp4", record_memory(read(clip), told), BENCH_RATE)
    yield from told
    yield f"  {count} frames, {count / (perf_counter() - begun):.0f} frames/s"


def record_memory(runs: Iterable[Frames], told: list[str]) -> Iterator[Frames]:
    """Pass the frames through, noting current and peak memory now and then."""
    count = 0
    for run in runs:
        before, count = count, count + len(run)
        if count // (LONG_VIDEO_FRAMES // 5) > before // (LONG_VIDEO_FRAMES // 5) or before < 1000 <= count:
            now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            told.append(f"  after {count:6d} frames: {now:6.1f} MiB, peak {peak:6.1f} MiB")
        yield run


def write_long_clip(path: Path) -> None:
    """Write a long clip that repeats a few encoded frames."""
    with av.open(str(path), "w") as out:
        track = out.add_stream("mjpeg", rate=BENCH_RATE)
        track.height, track.width, track.pix_fmt = 64, 64, "yuvj420p"
        pictures = [image for run in drifting_texture((64, 64), 20) for image in run.data.permute(0, 2, 3, 1).numpy()]
        frames = [av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24") for image in pictures]
        stored = [bytes(packet) for frame in frames for packet in track.encode(frame)]
        for i in range(LONG_VIDEO_FRAMES):
            packet = av.Packet(stored[i % len(stored)])
            packet.stream, packet.time_base = track, Fraction(1, BENCH_RATE)
            packet.pts = packet.dts = i
            packet.is_keyframe = True
            out.mux(packet)
