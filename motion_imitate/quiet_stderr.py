"""Keeping what compiled code writes to stderr on its own account from the person at the terminal."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2
alone = threading.Lock()  # there is one stderr in a process


@contextmanager
def hushed(word: bytes) -> Iterator[None]:
    """Lines with `word` that are written to stderr meanwhile are left out; all others are written afterwards."""
    if sys.stderr is None:
        yield
        return
    with alone, tempfile.TemporaryFile() as held:
        there = os.dup(STDERR)
        os.dup2(held.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(there, STDERR)
            os.close(there)
            held.seek(0)
            if rest := b"".join(line for line in held if word not in line):
                os.write(STDERR, rest)
