"""Run benchmarks on this machine: `python -m pipelines.bench video`, `... bench estimate --data DIR`."""

import sys
from importlib import import_module
from pathlib import Path

BENCHMARKS = {  # module:function of (data: Path | None) -> Iterator[str]; imported on request
    "video": "pipelines.bench.video:measure_video",
    "encode": "pipelines.bench.video:measure_codecs",
    "raster": "pipelines.bench.raster:measure_raster",
    "avatar": "pipelines.bench.avatar:measure_avatar",
    "gpu": "pipelines.bench.gpu:measure_gpu",
    "gpu-clip": "pipelines.bench.gpu_clip:measure_gpu_clip",
    "estimate": "pipelines.bench.estimate:measure_estimate",
    "imitate": "pipelines.bench.imitate:measure_imitate",
    "generator": "pipelines.bench.generator:measure_generator",
    "pictures": "pipelines.bench.image_quality:measure_image_quality",
    "floors": "pipelines.bench.metric_floors:measure_metric_floors",
    "renderers": "pipelines.bench.renderer_sheets:draw_renderer_sheets",
    "flatness": "pipelines.bench.imitate:measure_imitate_growth",
    "run": "pipelines.bench.runners:measure_runners",
    "web-load": "pipelines.bench.web_load:measure_web_load",
    "batch-flatness": "pipelines.bench.runners:measure_batch_growth",
}


def run_benchmarks(wanted: list[str]) -> int:
    """Run the named benchmarks and print their lines; exit code 2 if a name is unknown."""
    data = None
    if "--data" in wanted[:-1]:
        at = wanted.index("--data")
        data = Path(wanted[at + 1])
        wanted = wanted[:at] + wanted[at + 2 :]
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown or not wanted:
        print(
            f"no such benchmark: {' '.join(unknown) or 'none given'}; choose from {', '.join(BENCHMARKS)}",
            file=sys.stderr,
        )
        return 2
    for name in wanted:
        module, _, verb = BENCHMARKS[name].partition(":")
        for line in getattr(import_module(module), verb)(data):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_benchmarks(sys.argv[1:]))
