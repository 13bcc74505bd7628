"""The options of `motion-imitate batch`. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run."""

    source: Annotated[tuple[Path, ...], Parameter(negative=(), consume_multiple=True)] = ()
    """Photos, one per person, or folders of photos. Each person is rendered for every video."""
    on: Literal["local", "ray"] = "local"
    """Where workers run: in processes on this machine, or on Ray (extra [ray]), which may span many machines."""
    workers: Annotated[int | None, Parameter(validator=Number(gte=1, lte=4096))] = None
    """Worker processes, one video each at a time; by default as many as processors and memory allow."""
    gpus_per_worker: Annotated[float, Parameter(validator=Number(gte=0, lte=64))] = 0
    """GPUs for each Ray worker; a fraction, such as 0.5, shares a GPU and its memory. Needs --device cuda."""
    address: str | None = None
    """Address of a running Ray, such as auto or HOST:6379. Default: RAY_ADDRESS, or a temporary local Ray."""
    retry_failed: Annotated[bool, Parameter(negative=())] = False
    """Retry items that failed in an earlier run."""
    dry_run: Annotated[bool, Parameter(negative=())] = False
    """List what would be done and estimate the time, by trying two seconds of one video of each size."""
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    """Process at most this many of the remaining videos."""
    patience: Annotated[float, Parameter(validator=Number(gt=0))] = 300
    """Timeout per video: this many seconds plus one per frame."""
