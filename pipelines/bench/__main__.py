"""Measure a part of the project on this machine: `python -m pipelines.bench video`, `... bench estimate --data DIR`."""

import sys
from importlib import import_module
from pathlib import Path

PARTS = {  # modules of a `measure(data: Path | None) -> Iterator[str]`, or of another such; imported only if asked for
    "video": "pipelines.bench.video",
    "raster": "pipelines.bench.raster",
    "estimate": "pipelines.bench.estimate",
    "imitate": "pipelines.bench.imitate",
    "generator": "pipelines.bench.generator",
    "pictures": "pipelines.bench.image_quality",
    "floors": "pipelines.bench.metric_floors",
    "flatness": "pipelines.bench.imitate:flatness",
    "run": "pipelines.bench.runners",
    "batch-flatness": "pipelines.bench.runners:flatness",
}


def main(wanted: list[str]) -> int:
    """Exit code 2 where a part is not known."""
    data = None
    if "--data" in wanted[:-1]:
        at = wanted.index("--data")
        data = Path(wanted[at + 1])
        wanted = wanted[:at] + wanted[at + 2 :]
    unknown = [name for name in wanted if name not in PARTS]
    if unknown or not wanted:
        print(f"no such part: {' '.join(unknown) or 'none given'}; choose from {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in wanted:
        module, _, verb = PARTS[name].partition(":")
        for line in getattr(import_module(module), verb or "measure")(data):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
