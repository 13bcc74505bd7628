"""Check output paths before anything is computed."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile


class UsageError(Exception):
    """The command cannot be carried out as given; the message says what to change."""


def create_folder(folder: Path) -> Path:
    """Create a folder of the program's own unless it exists."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot create the folder {folder} ({error.strerror}); set MOTION_IMITATE_HOME to another folder"
        ) from None
    return folder


def check_output_path(out: Path, inputs: Iterable[Path], suffixes: tuple[str, ...], overwrite: bool) -> None:
    """Raise UsageError unless the output file can be written: suffix, folder, permissions, and nothing overwritten by
    mistake."""
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give a file in it, such as {out / ('out' + suffixes[0])}")
    if out.suffix.lower() not in suffixes:
        raise UsageError(f"{out} must end in {' or '.join(suffixes)}; rename it, such as {out.stem}{suffixes[0]}")
    for given in inputs:
        if out.exists() and given.exists() and out.samefile(given):
            raise UsageError(f"{out} is also the input; give the result another name")
    if out.exists() and not out.is_file():
        raise UsageError(f"{out} is not a regular file; give another output path")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} already exists; use -y to replace it, or give another name")
    if not out.parent.is_dir():
        raise UsageError(f"no folder {out.parent}; create it, or give another path")
    try:
        TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise UsageError(f"cannot write to {out.absolute().parent} ({error.strerror}); choose another folder") from None
