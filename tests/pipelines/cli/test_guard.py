"""Progress, to people and to machines."""

import json
import os
import re
import subprocess
import sys

import pytest

from pipelines import reporter
from pipelines.reporter import Reporter, progress_record
from tests.support import ROOT

JOB = """
import time
from pipelines.reporter import Reporter
for run in Reporter().track_progress(([0] * 10 for _ in range(12)), "count", 120):
    time.sleep(0.02)
"""


def test_without_a_terminal_progress_is_lines_of_json(capsys, monkeypatch):
    monkeypatch.setattr(reporter, "PROGRESS_INTERVAL", 0.0)
    runs = [[0] * 7, [0] * 7, [0] * 2]
    assert list(Reporter().track_progress(runs, "count", 16)) == runs
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert [line["frames"] for line in lines] == [7, 14, 16, 16]
    assert {line["of"] for line in lines} == {16}
    assert (lines[-1]["seconds_left"], said.out) == (0.0, "")


def test_who_wants_quiet_has_it(capsys):
    assert len(list(Reporter(quiet=True).track_progress([[0]] * 3, "count", 3))) == 3
    Reporter(quiet=True).warn("odd")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("done", "total", "seconds", "left"), [(50, 100, 5, 5.0), (50, None, 5, None), (9, 4, 1, 0.0)])
def test_what_is_left_is_told_at_the_pace_so_far(done, total, seconds, left):
    told = progress_record("count", done, total, seconds)
    assert told["seconds_left"] == left
    assert told["frames_per_second"] == done / seconds


@pytest.mark.skipif(os.name != "posix", reason="no pseudo terminals")
@pytest.mark.parametrize("colour", [True, False])
def test_at_a_terminal_progress_is_a_bar_in_colour_unless_it_is_unwanted(colour):
    import pty

    ours, theirs = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    env = kept | {"TERM": "xterm-256color", "COLUMNS": "100"} | ({} if colour else {"NO_COLOR": "1"})
    job = subprocess.Popen([sys.executable, "-c", JOB], cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, env=env)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert (job.wait(30), job.stdout.read()) == (0, b"")
    assert b"frames/s" in said
    assert b"120/120" in said
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", said)) == colour
