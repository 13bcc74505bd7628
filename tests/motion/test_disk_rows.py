"""Rows in a file: what is appended is read, whatever comes in between, and the disk's complaints are one sentence."""

import os

import numpy as np
import pytest

from motion_imitate.files import OutputError
from motion_imitate.motion.disk_rows import CHUNK_ROWS, DiskArray, iter_row_chunks


@pytest.mark.parametrize("row", [(3,), (2, 4), (0, 4)])
def test_what_is_appended_is_read(row):
    whole = np.random.default_rng(0).normal(size=(2 * CHUNK_ROWS + 7, *row))
    rows = DiskArray(np.float64)
    for first, last in ((0, 5), (5, 5), (5, 1000), (1000, len(whole))):
        rows.append(whole[first:last])
        np.testing.assert_array_equal(rows[first:last], whole[first:last])
    assert rows.shape == whole.shape
    np.testing.assert_array_equal(np.concatenate(list(iter_row_chunks(rows))), whole)
    assert len(rows[len(whole) - 3 : len(whole) + 9]) == 3


def test_nothing_is_left_in_the_folder(tmp_path):
    rows = DiskArray(folder=tmp_path)
    rows.append(np.ones((4, 2)))
    assert rows[1:3].tolist() == [[1, 1], [1, 1]]
    del rows
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    rows = DiskArray(folder=tmp_path)
    with open("/dev/full", "wb", 0) as rows.file, pytest.raises(OutputError, match="No space left on device"):
        rows.append(np.ones((4, 2)))
