"""Arrays in a temporary file, for data too large for memory."""

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from motion_imitate.files import raise_output_errors

CHUNK_ROWS = 512  # rows per chunk


class DiskArray:
    """An append-only array in a temporary file, of which slices of rows can be read. All rows have the first row's
    shape."""

    def __init__(self, kind: DTypeLike = np.float32, folder: Path | None = None) -> None:
        self.dtype, self.folder, self.shape = np.dtype(kind), folder or Path(gettempdir()), tuple[int, ...]((0,))
        with raise_output_errors(self.folder):
            self.file = TemporaryFile(dir=self.folder)  # noqa: SIM115 - closed, and so deleted, with this object

    def append(self, rows: NDArray[Any] | Tensor) -> None:
        """Append rows to the file."""
        array = np.ascontiguousarray(rows, self.dtype)
        with raise_output_errors(self.folder):
            self.file.seek(0, os.SEEK_END)
            self.file.write(array.data if array.size else b"")
        self.shape = (len(self) + len(array), *array.shape[1:])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(self))
        shape = (max(0, stop - start), *self.shape[1:])
        size = self.dtype.itemsize * prod(self.shape[1:])
        self.file.seek(start * size)
        return np.ndarray(shape, self.dtype, self.file.read(shape[0] * size))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        return len(self.shape)


def iter_row_chunks(array: NDArray[Any] | DiskArray) -> Iterator[NDArray[Any]]:
    """Yield all rows, CHUNK_ROWS at a time."""
    for k in range(0, len(array), CHUNK_ROWS):
        yield array[k : k + CHUNK_ROWS]
