"""A file that is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id
from time import monotonic, sleep

PARTS: set[Path] = set()  # that this process is writing
ELSEWHERE: set[Path] = set()  # what processes of ours are writing, which may be ended with it
PATIENCE = 1.0  # seconds that it takes them to be gone


class OutputError(Exception):
    """A result cannot be written where it should go."""


def sweep(path: Path) -> bool:
    """Remove what killed processes left of earlier attempts at the same file, as far as that is allowed; whether
    somebody alive is still at it."""
    living = False
    if os.name != "posix":  # elsewhere, asking for a process may end it
        return living
    with suppress(OSError):
        for part in path.absolute().parent.iterdir():
            owner = part.name.removeprefix(f".{path.name}.").removesuffix(".part")
            pid = owner.partition("-")[0]
            if part.name == f".{path.name}.{owner}.part" and pid.isdigit():
                living = alive(int(pid)) or living
                if not alive(int(pid)):
                    part.unlink()
    return living


@contextmanager
def elsewhere(path: Path) -> Iterator[None]:
    """Meanwhile another process writes the file; if that comes to nothing, nothing is left of it."""
    ELSEWHERE.add(path)
    try:
        yield
    except BaseException:
        forget(path)
        raise
    finally:
        ELSEWHERE.discard(path)


def forget(path: Path) -> None:
    """As soon as whoever writes it is gone."""
    until = monotonic() + PATIENCE
    while sweep(path) and monotonic() < until:
        sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file to write to beside `path`, which takes its place if all goes well and is gone if not."""
    part = path.absolute().parent / f".{path.name}.{os.getpid()}-{get_native_id()}.part"
    with trouble(path):
        part.touch()
    PARTS.add(part)
    try:
        yield part
        with trouble(path):
            synced(part)
            part.replace(path)
            synced(path.absolute().parent)
    finally:
        part.unlink(missing_ok=True)
        PARTS.discard(part)


def abandon() -> None:
    """Removes what is being written: the process is about to end without putting it away."""
    for part in list(PARTS):
        with suppress(OSError):
            part.unlink(missing_ok=True)
    for path in list(ELSEWHERE):
        forget(path)


def synced(path: Path) -> None:
    if path.is_dir() and os.name != "posix":  # only there a folder can be opened
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def trouble(path: Path, more: type[Exception] = OSError) -> Iterator[None]:
    """What the disk says, or `more`, as one sentence."""
    try:
        yield
    except (OSError, more) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise OutputError(
            f"{path} cannot be written ({reason}); free some space, or choose a folder you may write to"
        ) from error


def put(path: Path, data: bytes) -> None:
    with replaced(path) as part, trouble(path):
        part.write_bytes(data)
