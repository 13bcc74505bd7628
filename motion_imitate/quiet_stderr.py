"""Suppress messages that native libraries write to stderr."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STDERR_DESCRIPTOR = 2
STDERR_LOCK = threading.Lock()  # stderr is shared by all threads of the process


@contextmanager
def quiet_stderr(word: bytes) -> Iterator[None]:
    """Drop lines containing `word` that are written to stderr inside the block; the others are written when it ends."""
    if sys.stderr is None:
        yield
        return
    with STDERR_LOCK, tempfile.TemporaryFile() as held:
        there = os.dup(STDERR_DESCRIPTOR)
        os.dup2(held.fileno(), STDERR_DESCRIPTOR)
        try:
            yield
        finally:
            os.dup2(there, STDERR_DESCRIPTOR)
            os.close(there)
            held.seek(0)
            if rest := b"".join(line for line in held if word not in line):
                os.write(STDERR_DESCRIPTOR, rest)
