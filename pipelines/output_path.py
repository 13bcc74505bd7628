"""Where a result may go: looked at before anything is computed."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile


class Refused(Exception):
    """A wish that cannot be granted as it was put: one sentence that says how to put it."""


def folder_made(folder: Path) -> Path:
    """A folder of the program's own, made if it is not there yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            f"the folder {folder} cannot be made ({error.strerror}); set MOTION_IMITATE_HOME to another"
        ) from None
    return folder


def refuse(out: Path, inputs: Iterable[Path], suffixes: tuple[str, ...], overwrite: bool) -> None:
    """Refuses a file that may not, or cannot, be written."""
    if out.is_dir():
        raise Refused(f"{out} is a folder; name a file in it, such as {out / ('out' + suffixes[0])}")
    if out.suffix.lower() not in suffixes:
        raise Refused(f"{out} would be a {' or '.join(suffixes)} file; name it so, such as {out.stem}{suffixes[0]}")
    for given in inputs:
        if out.exists() and given.exists() and out.samefile(given):
            raise Refused(f"{out} is also the input; give the result another name")
    if out.exists() and not out.is_file():
        raise Refused(f"{out} is not a regular file; name one that is, or that is not there yet")
    if out.exists() and not overwrite:
        raise Refused(f"{out} is there already; -y replaces it, or give another name")
    if not out.parent.is_dir():
        raise Refused(f"there is no folder {out.parent}; make it first, or give another name")
    try:
        TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise Refused(
            f"nothing can be written into {out.absolute().parent} ({error.strerror}); choose another folder"
        ) from None
