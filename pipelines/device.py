"""Check that torch can use a device."""

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
