"""Rows of numbers in a temporary file: however many there are, they take no memory."""

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from motion_imitate.files import trouble

STRETCH = 512  # rows at a time


class Rows:
    """As an array of numpy's, as far as its rows are read from the first to the last; all are of the first's shape."""

    def __init__(self, kind: DTypeLike = np.float32, folder: Path | None = None) -> None:
        self.dtype, self.folder, self.shape = np.dtype(kind), folder or Path(gettempdir()), tuple[int, ...]((0,))
        with trouble(self.folder):
            self.file = TemporaryFile(dir=self.folder)  # noqa: SIM115 - which is gone when this is

    def append(self, rows: NDArray[Any] | Tensor) -> None:
        array = np.ascontiguousarray(rows, self.dtype)
        with trouble(self.folder):
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


def stretches(array: NDArray[Any] | Rows) -> Iterator[NDArray[Any]]:
    """All rows, some at a time."""
    for k in range(0, len(array), STRETCH):
        yield array[k : k + STRETCH]
