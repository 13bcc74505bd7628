"""Median wall time of a callable."""

from collections.abc import Callable, Mapping
from time import perf_counter

TIMES = 15


def timed(works: Mapping[str, Callable[[], object]], each: int, times: int = TIMES) -> dict[str, tuple[float, float]]:
    """Best and middle milliseconds, in turns, so that a busy moment hits all."""
    tries: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()  # compiles
    for _ in range(times):
        for name, work in works.items():
            begun = perf_counter()
            work()
            tries[name].append((perf_counter() - begun) * 1000 / each)
    return {name: (min(ms), sorted(ms)[times // 2]) for name, ms in tries.items()}
