"""Atomic file output: a file is either complete or absent."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id
from time import monotonic, sleep

ACTIVE_PART_FILES: set[Path] = set()  # temporary files that this process is writing
CHILD_OUTPUTS: set[Path] = set()  # files that child processes are writing; they may be killed along with this process
WRITER_KILLS: set[Callable[[], None]] = set()  # how to kill the processes that write for this one
CHILD_EXIT_TIMEOUT = 1.0  # seconds to wait for child processes to exit


class OutputError(Exception):
    """A result cannot be written to its destination."""


def remove_stale_parts(path: Path) -> bool:
    """Delete temporary files that killed processes left for `path`. Return whether a live process is still writing
    it."""
    living = False
    if os.name != "posix":  # on Windows, os.kill(pid, 0) may terminate the process
        return living
    with suppress(OSError):
        for part in path.absolute().parent.iterdir():
            owner = part.name.removeprefix(f".{path.name}.").removesuffix(".part")
            pid = owner.partition("-")[0]
            if part.name == f".{path.name}.{owner}.part" and pid.isdigit():
                living = process_exists(int(pid)) or living
                if not process_exists(int(pid)):
                    part.unlink()
    return living


@contextmanager
def cleanup_child_output(path: Path) -> Iterator[None]:
    """Remove what another process wrote of `path` if the block fails."""
    CHILD_OUTPUTS.add(path)
    try:
        yield
    except BaseException:
        remove_child_output(path)
        raise
    finally:
        CHILD_OUTPUTS.discard(path)


def remove_child_output(path: Path) -> None:
    """Wait for the process that writes `path` to exit, up to a timeout, and delete its temporary file."""
    until = monotonic() + CHILD_EXIT_TIMEOUT
    while remove_stale_parts(path) and monotonic() < until:
        sleep(0.05)


def process_exists(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to `path`; on success it replaces `path`, on failure it is deleted."""
    part = path.absolute().parent / f".{path.name}.{os.getpid()}-{get_native_id()}.part"
    with raise_output_errors(path):
        part.touch()
    ACTIVE_PART_FILES.add(part)
    try:
        yield part
        with raise_output_errors(path):
            sync_to_disk(part)
            part.replace(path)
            sync_to_disk(path.absolute().parent)
    finally:
        part.unlink(missing_ok=True)
        ACTIVE_PART_FILES.discard(part)


def remove_unfinished_outputs() -> None:
    """Kill the processes that write for this one and delete all temporary output files, before a forced exit."""
    for kill in WRITER_KILLS:
        kill()
    for part in list(ACTIVE_PART_FILES):
        with suppress(OSError):
            part.unlink(missing_ok=True)
    for path in list(CHILD_OUTPUTS):
        remove_child_output(path)


def sync_to_disk(path: Path) -> None:
    """Flush a file or a folder to disk."""
    if path.is_dir() and os.name != "posix":  # folders can be opened on POSIX only
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def raise_output_errors(path: Path, more: type[Exception] = OSError) -> Iterator[None]:
    """Convert an OSError, or an exception of type `more`, into an OutputError with one sentence."""
    try:
        yield
    except (OSError, more) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise OutputError(
            f"{path} cannot be written ({reason}); free some space, or choose a writable folder"
        ) from error


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write bytes to a file atomically."""
    with write_atomically(path) as part, raise_output_errors(path):
        part.write_bytes(data)
