"""Measure a part of the project on this machine: `python -m pipelines.bench video`."""

import sys
from importlib import import_module

PARTS = {  # each a module with `measure() -> Iterator[str]`, imported only when asked for
    "video": "pipelines.bench_video",
    "raster": "pipelines.bench_raster",
}


def main(wanted: list[str]) -> int:
    """Exit code 2 where a part is not known."""
    unknown = [name for name in wanted if name not in PARTS]
    if unknown or not wanted:
        print(f"no such part: {' '.join(unknown) or 'none given'}; choose from {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in wanted:
        for line in import_module(PARTS[name]).measure():
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
