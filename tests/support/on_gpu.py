"""Tests of what is compiled for each device: the CUDA kernels run where there is a GPU, and are skipped elsewhere."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from motion_imitate.device_copy import copy_to_device

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def run_on_gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with what it is given moved to the GPU, and its result moved back."""

    def moved(*given: Any) -> Any:
        return copy_to_device(function(*copy_to_device(given, "cuda")), "cpu")

    return moved


def every_kernel(argument: str, table: Mapping[str, Callable[..., Any]]) -> pytest.MarkDecorator:
    """Run a test with each function of a table."""
    marks = [pytest.mark.cuda, needs_gpu]
    each = [
        pytest.param(run_on_gpu(function), id=name, marks=marks) if name == "cuda" else pytest.param(function, id=name)
        for name, function in table.items()
    ]
    return pytest.mark.parametrize(argument, each)
