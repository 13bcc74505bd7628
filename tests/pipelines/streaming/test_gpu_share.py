"""A worker that shares a GPU stays within its share of the memory."""

import subprocess
import sys

import pytest
import torch

from pipelines.streaming.gpu_share import CONTEXT_BYTES, SMALLEST_FRACTION, limit_gpu_memory, tensor_fraction
from tests.support import ROOT

GIB = 1 << 30
HOLDING = """
import sys
import torch
from pipelines.streaming.gpu_share import limit_gpu_memory

share, total = float(sys.argv[1]), torch.cuda.get_device_properties(0).total_memory
before = torch.cuda.mem_get_info()[0]
limit_gpu_memory(share)
held, piece = [], 32 << 20
try:
    while len(held) * piece < share * total:
        held.append(torch.empty(piece, dtype=torch.uint8, device="cuda"))
except torch.cuda.OutOfMemoryError:
    pass
print(len(held) * piece / total, (before - torch.cuda.mem_get_info()[0]) / total)
"""


@pytest.mark.parametrize(("gpus", "memory"), [(0.5, 80 * GIB), (0.5, 8 * GIB), (0.25, 24 * GIB), (0.1, 24 * GIB)])
def test_tensors_and_the_process_itself_fill_the_share(gpus, memory):
    assert tensor_fraction(gpus, memory) * memory + CONTEXT_BYTES == pytest.approx(gpus * memory)


def test_whole_gpus_are_not_limited_and_tiny_shares_hold_something():
    assert tensor_fraction(1, 8 * GIB) == tensor_fraction(2, 8 * GIB) == 1
    assert tensor_fraction(0.01, 8 * GIB) == SMALLEST_FRACTION


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_share_of_a_gpu_that_ray_only_counts_limits_nothing():
    limit_gpu_memory(0.5)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_memory_runs_out_within_the_share():
    command = [sys.executable, "-c", HOLDING, "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    tensors, taken = map(float, done.stdout.split())
    assert 0.05 < tensors < 0.2
    assert taken < 0.2
