"""What is learnt from, and what is held out to see what was learnt: one of each five of a kind."""

from collections.abc import Sequence
from typing import Literal, TypeVar

T = TypeVar("T")
Part = Literal["all", "learn", "held"]
EACH = 5


def part_of(found: Sequence[T], part: Part) -> list[T]:
    """Those of that part; of fewer than five, all, whatever the part."""
    if part == "all" or len(found) < EACH:
        return list(found)
    return [one for number, one in enumerate(found) if (number % EACH == EACH - 1) == (part == "held")]
