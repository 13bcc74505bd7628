"""Return freed memory to the system, and measure the peak memory of this process."""

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from time import sleep

MMAP_THRESHOLD, ARENA_MAX = -3, -8  # options of mallopt, from malloc.h
LARGE_ALLOCATION = 2 << 20  # bytes from which an allocation always gets its own pages
MALLOC_ARENAS = 2  # otherwise each thread gets its own
TRIM_SECONDS = 10.0  # seconds


@cache  # once per process
def return_freed_memory() -> None:
    """Configure the C library of Linux to return freed memory at once; no effect elsewhere.

    Streams of large pictures through several threads take a third less memory.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    tune, trim = (getattr(library, name, None) for name in ("mallopt", "malloc_trim"))
    if tune is not None:
        tune(MMAP_THRESHOLD, LARGE_ALLOCATION)
        tune(ARENA_MAX, MALLOC_ARENAS)
    if trim is not None:
        Thread(target=trim_heap_forever, args=(trim,), name="trim", daemon=True).start()


def trim_heap_forever(trim: Callable[[int], int]) -> None:
    """Return free memory between live blocks too, at intervals; it grows with the length of a clip."""
    while True:
        sleep(TRIM_SECONDS)
        trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that memory ran out, on any device."""
    words = str(error).lower()
    said = "out of memory" in words or "can't allocate memory" in words
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and said)


def reset_peak_memory() -> None:
    """Restart the kernel's measurement of this process's peak memory (Linux only)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_rss() -> float | None:
    """The peak memory of this process in MiB; None except on Linux."""
    if sys.platform != "linux":
        return None
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return round(int(lines["VmHWM"].split()[0]) / 1024)
