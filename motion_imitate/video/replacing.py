"""A file that is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id

import av

from motion_imitate.video.errors import OutputError


def refuse(path: Path, sound_from: Path | None) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it, such as {path / 'out.mp4'}")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a regular file; name one that is, or that is not there yet")
    if sound_from is not None and path.exists() and sound_from.exists() and path.samefile(sound_from):
        raise OutputError(f"{path} is also the input; give the result another name")


def sweep(path: Path) -> None:
    """Remove what killed processes left of earlier attempts at the same file, as far as that is allowed."""
    if os.name != "posix":  # elsewhere, asking for a process may end it
        return
    with suppress(OSError):
        for part in path.absolute().parent.iterdir():
            owner = part.name.removeprefix(f".{path.name}.").removesuffix(".part")
            pid = owner.partition("-")[0]
            if part.name == f".{path.name}.{owner}.part" and pid.isdigit() and not alive(int(pid)):
                part.unlink()


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
    try:
        yield part
        with trouble(path):
            synced(part)
            part.replace(path)
            synced(path.absolute().parent)
    finally:
        part.unlink(missing_ok=True)


def synced(path: Path) -> None:
    if path.is_dir() and os.name != "posix":  # only there a folder can be opened
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """What the disk or the encoder says, as one sentence."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise OutputError(
            f"{path} cannot be written ({reason}); free some space, or choose a folder you may write to"
        ) from error
