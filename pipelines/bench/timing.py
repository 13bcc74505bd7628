"""Time callables in turns."""

from collections.abc import Callable, Mapping
from time import perf_counter

DEFAULT_REPEATS = 15


def time_in_turns(
    works: Mapping[str, Callable[[], object]], each: int, times: int = DEFAULT_REPEATS
) -> dict[str, tuple[float, float]]:
    """Best and median milliseconds of each callable. They run in turns, so that other load affects all alike."""
    tries: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()  # the first call compiles
    for _ in range(times):
        for name, work in works.items():
            begun = perf_counter()
            work()
            tries[name].append((perf_counter() - begun) * 1000 / each)
    return {name: (min(ms), sorted(ms)[times // 2]) for name, ms in tries.items()}
