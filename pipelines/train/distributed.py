"""Data-parallel training in the processes that torchrun starts; each trains on its own samples."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class ProcessRank:
    """This process's rank, device and the number of processes."""

    device: str
    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process reports and writes files."""
        return self.number == 0


@contextmanager
def join_process_group(device: str) -> Iterator[ProcessRank]:
    """Join the process group that torchrun set up; a process alone is rank 0 of 1.

    With `cuda`, each process of a machine gets its own device.
    """
    count = int(environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield ProcessRank(device)
        return
    device = f"cuda:{environ['LOCAL_RANK']}" if device == "cuda" else device
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield ProcessRank(device, distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def average_gradients(weights: Sequence[nn.Parameter]) -> None:
    """Average the gradients over all processes, in place."""
    if not distributed.is_initialized():
        return
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    means = (flat / distributed.get_world_size()).split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def any_rank_true(yes: bool, device: str) -> bool:
    """Whether `yes` is true in any process; every process gets the same answer."""
    if not distributed.is_initialized():
        return yes
    said = torch.tensor(float(yes), device=device)
    distributed.all_reduce(said, distributed.ReduceOp.MAX)
    return bool(said)
