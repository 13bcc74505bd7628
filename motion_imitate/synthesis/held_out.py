"""Split of assets into training and held-out sets: every fifth is held out."""

from collections.abc import Sequence
from typing import Literal, TypeVar

AssetT = TypeVar("AssetT")
HeldOutSplit = Literal["all", "learn", "held"]
HELD_OUT_PERIOD = 5


def select_split(found: Sequence[AssetT], part: HeldOutSplit) -> list[AssetT]:
    """The items of the split; all of them where there are fewer than five."""
    if part == "all" or len(found) < HELD_OUT_PERIOD:
        return list(found)
    return [
        one for number, one in enumerate(found) if (number % HELD_OUT_PERIOD == HELD_OUT_PERIOD - 1) == (part == "held")
    ]
