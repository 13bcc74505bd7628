"""Launch numba's CUDA kernels on PyTorch's tensors. In numba's simulator the tensors are on the CPU."""

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from numba import cuda
from numba.core import config
from torch import Tensor

SIMULATED = bool(vars(config)["ENABLE_CUDASIM"])
THREADS = {1: (128,), 2: (128, 1), 3: (32, 4, 1)}  # of a block, by the number of axes

KernelT = TypeVar("KernelT", bound=Callable[..., Any])
FieldsT = TypeVar("FieldsT", bound=tuple[Any, ...])


def compile_for_gpu(function: KernelT) -> KernelT:
    """Compile a kernel, which `launch_kernel` runs."""
    made: KernelT = cuda.jit(inspect.unwrap(function))  # numba cannot compile the jaxtyping wrapper
    return made


def compile_gpu_function(function: KernelT) -> KernelT:
    """Compile a function that kernels call."""
    made: KernelT = cuda.jit(inspect.unwrap(function), device=True)
    return made


def cuda_array(tensor: Tensor) -> Any:
    """The tensor's memory as kernels take it. They run after what PyTorch has started: both use the same stream."""
    return tensor.numpy() if SIMULATED else cuda.as_cuda_array(tensor.detach(), sync=False)


def cuda_arrays(fields: FieldsT) -> FieldsT:
    """A named tuple of tensors as kernels take it."""
    return type(fields)(*map(cuda_array, fields))


def launch_kernel(kernel: Callable[..., None], counts: tuple[int, ...], device: torch.device, *given: Any) -> None:
    """Run a kernel once for each index; the first axis is the fastest. It must ignore indices beyond the counts."""
    if min(counts) == 0:
        return
    threads = THREADS[len(counts)]
    blocks = tuple(-(-count // size) for count, size in zip(counts, threads, strict=True))
    with nullcontext() if device.type == "cpu" else cuda.gpus[device.index or 0]:
        kernel[blocks, threads](*given)  # type: ignore[index]
