"""Run a command in a process of its own and measure its peak memory."""

import subprocess
import sys

TIMED_SCRIPT = """
import resource, subprocess, sys
from time import perf_counter
begun = perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def run_measured_process(arguments: list[str]) -> tuple[float, float]:
    """Wall seconds and peak memory in MiB of a command.

    A small process starts it, since the peak memory of a child includes that of its parent.
    """
    command = [sys.executable, "-c", TIMED_SCRIPT, sys.executable, "-m", "pipelines.cli", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seconds, most = done.stdout.split()
    return float(seconds), float(most)
