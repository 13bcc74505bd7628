"""Check that torch can use a device, and set how it computes there."""

import torch

from pipelines.output_path import UsageError


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
