"""What is let go of is given back to the machine at once, not kept for later."""

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from time import sleep

MMAP_THRESHOLD, ARENA_MAX = -3, -8  # as malloc.h numbers them
LARGE = 2 << 20  # bytes; what is as large gets pages of its own, whatever was let go before
ARENAS = 2  # else each thread keeps some
OFTEN = 10.0  # seconds


@cache  # once in a process
def give_back() -> None:
    """Of use with the C library of Linux only: streams of large pictures through several threads take a third less."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    tune, trim = (getattr(library, name, None) for name in ("mallopt", "malloc_trim"))
    if tune is not None:
        tune(MMAP_THRESHOLD, LARGE)
        tune(ARENA_MAX, ARENAS)
    if trim is not None:
        Thread(target=again, args=(trim,), name="trim", daemon=True).start()


def again(trim: Callable[[int], int]) -> None:
    """What lies between things that are kept goes back, too: there is the more of it the longer a clip is."""
    while True:
        sleep(OFTEN)
        trim(0)


def full(error: BaseException) -> bool:
    """Whether the error says that there is no memory left, on whatever device."""
    words = str(error).lower()
    said = "out of memory" in words or "can't allocate memory" in words
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and said)


def forget_peak() -> None:
    """Linux counts the most memory of a process anew from now on."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float | None:
    """Mebibytes that this process took at most."""
    if sys.platform != "linux":
        return None
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return round(int(lines["VmHWM"].split()[0]) / 1024)
