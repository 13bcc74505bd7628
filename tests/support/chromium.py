"""A headless Chromium, and a server of the page in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest

from motion_imitate.weights import find_asset

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


@contextmanager
def open_chromium(camera=None):
    """A Chromium whose camera shows a file."""
    api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    files = [] if camera is None else [f"--use-file-for-fake-video-capture={camera}"]
    with api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS + files)
        yield browser
        browser.close()


class WebServer:
    """The server, which can be ended and started again at the same address."""

    def __init__(self, work, *words):
        self.work, self.words, self.port, self.process = work, words, 0, None

    def start(self):
        words = ["web", "--work", str(self.work), "--port", str(self.port), "--json", *self.words]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])
        return self

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        return self.process.wait()


@contextmanager
def serve_page(work, *words):
    """A server of the page."""
    server = WebServer(work, *words).start()
    try:
        yield server
    finally:
        server.stop()


def write_camera_file(file):
    """The shipped clip as a camera's file, at half its rate."""
    with av.open(str(find_asset("demo/clip.mp4"))) as clip, av.open(str(file), "w", format="yuv4mpegpipe") as out:
        track = out.add_stream("rawvideo", rate=30)
        track.width, track.height, track.pix_fmt = 360, 640, "yuv420p"
        for number, frame in enumerate(clip.decode(video=0)):
            if number % 2 == 0:
                small = frame.reformat(360, 640, "yuv420p")
                small.pts, small.time_base = number // 2, Fraction(1, 30)
                out.mux(track.encode(small))
        out.mux(track.encode(None))
    return file
