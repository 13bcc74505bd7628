"""A worker's share of a GPU that several processes use."""

CONTEXT_BYTES = 768 << 20  # of each process on a GPU: the driver's and the libraries' own, which torch doesn't count
SMALLEST_FRACTION = 0.02  # of a GPU's memory for tensors


def tensor_fraction(gpus: float, memory: int) -> float:
    """The fraction of a GPU's bytes of memory that torch may hold, so that the process stays within its share of it."""
    return 1.0 if gpus >= 1 else max(SMALLEST_FRACTION, gpus - CONTEXT_BYTES / memory)


def limit_gpu_memory(gpus: float) -> None:
    """Keep torch within this process's share of the first GPU that it sees; no effect without one, or with it all."""
    if not 0 < gpus < 1:
        return
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(tensor_fraction(gpus, memory), 0)
