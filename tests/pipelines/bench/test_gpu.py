"""The benchmark of a GPU runs without one, on the CPU alone."""

from pipelines.bench import gpu as bench_gpu
from pipelines.device import find_gpu_fault


def test_each_stage_is_timed_on_each_device_that_is_there(monkeypatch):
    monkeypatch.setattr(bench_gpu, "GPU_BENCH_TIMES", 1)
    lines = list(bench_gpu.measure_gpu(sizes=((96, 64),)))
    stages = ("pose", "draw", "shadow", bench_gpu.WHOLE, "the same, corrected")
    devices = ("cpu",) if find_gpu_fault() else ("cpu", "cuda")
    for device in devices:
        for stage in stages:
            assert any(device in line and f" {stage} " in line and "frames/s" in line for line in lines), (
                device,
                stage,
            )
