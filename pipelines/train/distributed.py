"""Processes that learn together, each from its own lessons: as many as torchrun starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Rank:
    """A process's place among them."""

    device: str
    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.number == 0


@contextmanager
def ranked(device: str) -> Iterator[Rank]:
    """Of those on one machine that say cuda, each has its own device."""
    count = int(environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Rank(device)
        return
    device = f"cuda:{environ['LOCAL_RANK']}" if device == "cuda" else device
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Rank(device, distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def shared(net: nn.Module) -> nn.Module:
    """The network, whose gradients are the mean of those of all processes."""
    return DistributedDataParallel(net) if distributed.is_initialized() else net


def one_of_us(yes: bool, device: str) -> bool:
    """Whether any process says yes; all hear the same."""
    if not distributed.is_initialized():
        return yes
    said = torch.tensor(float(yes), device=device)
    distributed.all_reduce(said, distributed.ReduceOp.MAX)
    return bool(said)
