"""Benchmark the web server under load: how much a job is slowed by requests for the page and its state."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any
from urllib.request import HTTPCookieProcessor, Request, build_opener

LOAD_REQUESTS = 200  # in the time of a job
LOAD_PAIRS = 3  # of a job alone and one under load
TURN_SECONDS = 24  # of the video that is rendered, which takes about as long
STATE_SECONDS = 1.0  # between looks whether a job is done, where there is no load


def measure_web_load(_: Path | None, pairs: int = LOAD_PAIRS, turn: float = TURN_SECONDS) -> Iterator[str]:
    """Lines on the seconds of a job alone and under load, in turns."""
    with serve_visitor() as visitor:
        photo = visitor.ask("/api/samples/photo", {})["id"]
        options = {"seconds": turn, "rate": 30, "turns": 2}
        request = {"task": "novel-view", "photos": [photo], "options": options}
        seconds = visitor.run_job(request, 0, 0)
        yield f"a job of {turn * 30:g} frames: {seconds:.1f} s at first"
        alone, loaded = [], []
        for _pair in range(pairs):
            alone.append(visitor.run_job(request, 0, 0))
            loaded.append(visitor.run_job(request, LOAD_REQUESTS, min(alone)))
            yield f"alone {alone[-1]:6.2f} s, with {LOAD_REQUESTS} requests {loaded[-1]:6.2f} s"
    yield f"under load a job takes {median(loaded) / median(alone):.3f} of its time alone (medians)"
    yield f"and {min(loaded) / min(alone):.3f} (the fastest of each)"


@contextmanager
def serve_visitor() -> Iterator["Visitor"]:
    """A visitor of a server of its own, in another process."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["web", "--work", folder, "--port", "0", "--json"]
        command = [sys.executable, "-m", "pipelines.cli", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                yield Visitor(json.loads(server.stdout.readline())["url"].rstrip("/"))
            finally:
                server.terminate()


class Visitor:
    """A browser's requests."""

    def __init__(self, url: str) -> None:
        self.url, self.opener = url, build_opener(HTTPCookieProcessor())
        self.fetch("/")

    def fetch(self, path: str, body: Any = None) -> bytes:
        """The answer to a request."""
        data = None if body is None else json.dumps(body).encode()
        with self.opener.open(Request(self.url + path, data, {"content-type": "application/json"})) as answer:
            found: bytes = answer.read()
        return found

    def ask(self, path: str, body: Any = None) -> dict[str, Any]:
        """The answer to a request, from JSON."""
        found: dict[str, Any] = json.loads(self.fetch(path, body))
        return found

    def run_job(self, request: dict[str, Any], requests: int, expected: float) -> float:
        """Seconds that a job takes while that many requests come, evenly over the seconds expected."""
        job = f"/api/jobs/{self.ask('/api/jobs', request)['id']}"
        begun = monotonic()
        for number, path in zip(count(1), cycle(("/", "/api/jobs", job))):
            loading = number <= requests
            due = begun + number * expected / requests if loading else monotonic() + STATE_SECONDS
            sleep(max(0.0, due - monotonic()))
            self.fetch(path)
            if not loading and (state := self.ask(job))["state"] not in ("queued", "running"):
                return float(state["seconds"])
        raise AssertionError
