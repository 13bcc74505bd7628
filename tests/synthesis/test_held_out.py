"""What is held out is never learnt from."""

import pytest

from motion_imitate.synthesis.held_out import select_split


@pytest.mark.parametrize("count", [5, 6, 14, 26])
def test_every_fifth_is_held_out(count):
    found = list(range(count))
    learnt, held = select_split(found, "learn"), select_split(found, "held")
    assert sorted(learnt + held) == found
    assert len(held) == count // 5
    assert select_split(found, "all") == found


def test_of_few_all_serve_for_either():
    assert select_split([1, 2, 3], "learn") == select_split([1, 2, 3], "held") == [1, 2, 3]
