"""The CUDA kernels agree with plain PyTorch: here in numba's simulator, and where there is a GPU, on it."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_simulated_kernels_agree_with_the_reference():
    simulated = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "tests.support.simulated_cuda"]
    made = subprocess.run(command, cwd=ROOT, env=simulated, check=True, capture_output=True, text=True)
    apart = json.loads(made.stdout)
    limits = {"face": 0, "weights": 1e-6, "drawn": 1e-3, "reads": 1e-6, "alone": 1e-3, "blended": 0, "untouched": 0}
    assert apart.keys() == limits.keys()
    assert all(apart[name] <= limit for name, limit in limits.items()), apart
