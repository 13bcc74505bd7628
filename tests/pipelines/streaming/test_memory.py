"""What is let go of between things that are kept goes back to the machine, without being asked for again and again."""

import subprocess
import sys

import pytest

CHILD = """
import time
from pathlib import Path
from threading import enumerate as threads
from pipelines.streaming import memory

memory.TRIM_SECONDS = 0.1
for _ in range(3):
    memory.return_freed_memory()
assert [thread.name for thread in threads()].count("trim") == 1

def taken():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) >> 10

pairs = [(bytearray(b"x" * 100_000), bytearray(1_000)) for _ in range(1_500)]
full = taken()
kept = [small for _, small in pairs]
del pairs
until = time.monotonic() + 20
while taken() > full - 100 and time.monotonic() < until:
    time.sleep(0.1)
print(full - taken())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of use on Linux alone")
def test_what_lies_between_things_that_are_kept_goes_back():
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=60, check=True)
    assert int(child.stdout) > 100  # MiB, of 143
