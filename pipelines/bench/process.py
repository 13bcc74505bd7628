"""Run a command in a process of its own and measure its peak memory."""

import subprocess
import sys

ALONE = """
import resource, subprocess, sys
from time import perf_counter
begun = perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def run_alone(arguments: list[str]) -> tuple[float, float]:
    """Seconds and the most mebibytes that a command takes, started by a small process: what starts it counts too."""
    command = [sys.executable, "-c", ALONE, sys.executable, "-m", "pipelines.cli", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seconds, most = done.stdout.split()
    return float(seconds), float(most)
