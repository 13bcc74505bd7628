"""Choose the device that a command computes on, and set how it computes there."""

from functools import cache

import torch

from pipelines.output_path import UsageError
from pipelines.reporter import Reporter

AUTO_DEVICE = "auto"


@cache
def find_gpu_fault() -> str:
    """Why this machine's GPU can't be used, or ""."""
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA device on this machine"
    try:
        from numba import cuda

        return "" if cuda.is_available() else "numba finds no CUDA device; install motion-imitate[cuda]"
    except ImportError as error:
        return f"numba's CUDA kernels are missing ({error}); install motion-imitate[cuda]"


def choose_device(name: str) -> str:
    """The device that `name` means: auto is a GPU that can be used, else the CPU. Raises UsageError for one that
    cannot be used."""
    if name == AUTO_DEVICE:
        return "cpu" if find_gpu_fault() else "cuda"
    check_device(name)
    if torch.device(name).type == "cuda" and (fault := find_gpu_fault()):
        raise UsageError(f"the device {name!r} cannot be used, because {fault}; choose cpu")
    return name


def announce_device(device: str, reporter: Reporter) -> None:
    """Say which GPU is used."""
    if torch.device(device).type == "cuda":
        reporter.note(f"using {torch.cuda.get_device_name(device)}; --device cpu does without")


def check_device(name: str) -> None:
    """Raise UsageError unless torch can use the device."""
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError):
        raise UsageError(
            f"torch {torch.__version__} cannot use the device {name!r} on this machine; choose cpu"
        ) from None


def allow_fast_training(name: str) -> None:
    """Let a GPU round the factors of float32 products to TF32, and choose the fastest convolutions by trying them."""
    if torch.device(name).type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
