"""The benchmarks of a GPU run without one, on the CPU alone."""

import pytest

from motion_imitate.types import cat_batched
from motion_imitate.video import read
from motion_imitate.weights import find_asset
from pipelines.bench import gpu as bench_gpu
from pipelines.bench import gpu_clip
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


def test_people_are_found_in_one_run_and_in_several_at_once(monkeypatch):
    monkeypatch.setattr(gpu_clip, "LANDMARK_TIMES", 1)
    monkeypatch.setattr(gpu_clip, "GPU_RUNS", 2)
    run = cat_batched(list(read(find_asset("demo/clip.mp4"), size=(480, 270))))[:2]
    one, several = gpu_clip.measure_landmarks(run, "cpu")
    assert "one run" in one
    assert "2 runs at once" in several


@pytest.mark.slow
def test_a_clip_is_timed_from_file_to_file():
    lines = list(gpu_clip.measure_gpu_clip(None, repeats=1, longest=320))
    assert sum("imitate with" in line and "frames/s" in line for line in lines) >= 2
