"""Data-parallel training in the processes that torchrun starts; each trains on its own samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


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


def wrap_distributed(net: nn.Module) -> nn.Module:
    """The network, wrapped to average gradients over all processes; unchanged in a process alone."""
    return DistributedDataParallel(net) if distributed.is_initialized() else net


def any_rank_true(yes: bool, device: str) -> bool:
    """Whether `yes` is true in any process; every process gets the same answer."""
    if not distributed.is_initialized():
        return yes
    said = torch.tensor(float(yes), device=device)
    distributed.all_reduce(said, distributed.ReduceOp.MAX)
    return bool(said)
