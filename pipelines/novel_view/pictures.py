"""Write views as pictures: one file each in a folder, or side by side in one file."""

from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.files import write_bytes_atomically
from motion_imitate.types import Frames
from pipelines.output_path import UsageError, check_output_path, create_folder
from pipelines.rendering.picture import PICTURE_SUFFIXES, encode_picture, picture_suffixes, to_array

SHEET_COLUMNS = 8


def picture_name(azimuth: float) -> str:
    """The name of a view's file in a folder."""
    return f"view_{azimuth:03g}.png"


def check_picture_path(
    out: Path, azimuths: Sequence[float], background: str, inputs: Iterable[Path], overwrite: bool
) -> None:
    """Raise UsageError unless the folder or the file can be written."""
    if out.suffix and not out.is_dir():
        if out.suffix.lower() not in PICTURE_SUFFIXES:
            raise UsageError(f"--azimuth makes pictures; give a folder or a .png or .jpg file, not {out}")
        check_output_path(out, inputs, picture_suffixes(background), overwrite)
        return
    if not out.parent.is_dir():
        raise UsageError(f"no folder {out.parent}; create it, or give another path")
    there = [out / name for name in map(picture_name, azimuths) if (out / name).exists()]
    if there and not overwrite:
        raise UsageError(f"{there[0]} already exists; use -y to replace it, or give another folder")


def write_pictures(out: Path, azimuths: Sequence[float], runs: Iterable[Frames]) -> Iterator[Path]:
    """Write the views, one per azimuth; yields the files."""
    pictures = (picture for run in runs for picture in run.data)
    if out.suffix and not out.is_dir():
        write_bytes_atomically(out, encode_picture(arrange_sheet(list(pictures)), out.suffix))
        yield out
        return
    create_folder(out)
    for azimuth, picture in zip(azimuths, pictures, strict=True):
        write_bytes_atomically(out / picture_name(azimuth), encode_picture(to_array(picture), ".png"))
        yield out / picture_name(azimuth)


def arrange_sheet(pictures: Sequence[UInt8[Tensor, "C H W"]]) -> NDArray[np.uint8]:
    """Pictures of one size in rows of about the same length."""
    rows = ceil(len(pictures) / SHEET_COLUMNS)
    columns = ceil(len(pictures) / rows)
    channels, height, width = pictures[0].shape
    sheet = np.zeros((rows * height, columns * width, channels), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + height, left : left + width] = to_array(picture)
    return sheet
