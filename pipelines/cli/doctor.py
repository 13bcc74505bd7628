"""Whether everything that is needed is there, and works."""

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from motion_imitate import weights
from motion_imitate.types import Frames
from motion_imitate.video import read, write
from pipelines.reporter import FAILED, OK, Talk

ROOM = 500_000_000  # bytes; less fills up soon
RATE, SECONDS = 30, 1
STRAY = 3.0  # of 255, that colours may change on their way through a file


@dataclass(frozen=True)
class Finding:
    what: str
    good: bool | None  # None: not as good as could be, but all works
    words: str


def python() -> tuple[bool | None, str]:
    return sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def devices() -> tuple[bool | None, str]:
    if not torch.cuda.is_available():
        return True, f"{torch.__version__}, on the CPU"
    card = torch.cuda.get_device_properties(0)
    return True, f"{torch.__version__}, {card.name} with {card.total_memory / 2**30:.0f} GiB (--device cuda)"


def package(name: str, without: str = "") -> Callable[[], tuple[bool | None, str]]:
    """A package that must be there, or only should where something is said about being without."""

    def look() -> tuple[bool | None, str]:
        try:
            return True, version(name)
        except PackageNotFoundError:
            return (None, f"not installed: {without}") if without else (False, f"missing; run `pip install {name}`")

    return look


def assets() -> tuple[bool | None, str]:
    wrong = []
    for asset in weights.manifest():
        try:
            sound = weights.sha256(weights.find(asset.file)) == asset.sha256
        except weights.MissingWeights:
            sound = False
        wrong += [] if sound else [asset.file]
    if wrong:
        return False, f"missing or changed: {', '.join(wrong)}; install the program again"
    return True, f"{len(weights.manifest())} files, as they were shipped"


def room() -> tuple[bool | None, str]:
    free = shutil.disk_usage(Path()).free
    return (True if free > ROOM else None), f"{free / 1e9:.1f} GB free in {Path().absolute()}"


def round_trip() -> tuple[bool | None, str]:
    """A second of video written and read again."""
    count = RATE * SECONDS
    ramp = torch.linspace(0, 1, 128)
    shades = ramp[:, None] * 120 + ramp * 80 + torch.linspace(0, 50, count)[:, None, None]
    given = Frames(shades.byte()[:, None].expand(-1, 3, -1, -1).contiguous(), torch.arange(count) / RATE)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.mp4"
        write(path, [given], RATE)
        got = torch.cat([run.data for run in read(path)])
    if len(got) != count:
        return False, f"of {count} frames {len(got)} came back; install the package av anew"
    stray = float((got.float() - given.data.float()).abs().mean())
    return stray < STRAY, f"H.264 written and read: {count} frames, colours off by {stray:.2f} of 255"


CHECKS: dict[str, Callable[[], tuple[bool | None, str]]] = {
    "python": python,
    "torch": devices,
    "av": package("av"),
    "ai-edge-litert": package("ai-edge-litert", "the pose network runs in torch, half as fast"),
    "numba": package("numba", "bodies are drawn by torch, ten times slower"),
    "assets": assets,
    "disk": room,
    "video": round_trip,
}
SIGNS = {True: "ok", None: "note", False: "BAD"}


def looked(what: str) -> Finding:
    try:
        return Finding(what, *CHECKS[what]())
    except Exception as error:  # whatever goes wrong in a check is what it finds
        return Finding(what, False, f"{type(error).__name__}: {error}")


def doctor(talk: Talk) -> int:
    found = [looked(what) for what in CHECKS]
    well = all(finding.good is not False for finding in found)
    lines = [f"{SIGNS[f.good]:<5}{f.what:<16}{f.words}" for f in found]
    talk.result({"well": well, "checks": [vars(f) for f in found]}, "\n".join(lines))
    return OK if well else FAILED
