"""What a process tells of an item."""

from itertools import pairwise

import pytest
import torch

from motion_imitate.types import Frames
from pipelines.batch.outcome import STRIP_FRAMES
from pipelines.batch.worker_job import RecordingReporter


def runs(count, length=4):
    for first in range(0, count, length):
        numbers = torch.arange(first, min(first + length, count))
        yield Frames(numbers.to(torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2), numbers / 30)


@pytest.mark.parametrize("count", [1, 3, 7, 8, 72, 200])
@pytest.mark.parametrize("known", [True, False])
def test_pictures_are_spread_over_the_whole_however_long_it_is(count, known):
    reporter = RecordingReporter()
    assert sum(map(len, reporter.track_progress(runs(count), "imitate", count if known else None))) == count
    shown = [int(picture[0, 0, 0]) for picture in reporter.pictures]
    assert 1 <= len(shown) <= STRIP_FRAMES
    assert shown[0] == 0
    steps = {b - a for a, b in pairwise(shown)}
    assert len(steps) <= 1
    assert shown[-1] >= count / 2 - 1 or count == 1
    assert [reporter.warn("a"), reporter.heard] == [None, ["a"]]
