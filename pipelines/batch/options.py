"""How a batch is done: the options of `motion-imitate batch`. Light to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number


@dataclass(frozen=True)
class Batching:
    source: Annotated[tuple[Path, ...], Parameter(negative=(), consume_multiple=True)] = ()
    """Photos, each of another person, or folders of them: everybody does what is done in every video."""
    on: Literal["local", "ray"] = "local"
    """Where videos are made: in processes of this machine, or of Ray (extra [ray]), which may have many."""
    workers: Annotated[int | None, Parameter(validator=Number(gte=1, lte=4096))] = None
    """Processes, each of which makes one video at a time; if not given, as many as processors and memory allow."""
    gpus_per_worker: Annotated[float, Parameter(validator=Number(gte=0, lte=64))] = 0
    """GPUs that each process of Ray is lent, or its share of one, such as 0.5."""
    address: str | None = None
    """A Ray that is running, such as auto or HOST:6379; else RAY_ADDRESS; else one is started and ended."""
    retry_failed: Annotated[bool, Parameter(negative=())] = False
    """Try again what failed in an earlier run."""
    dry_run: Annotated[bool, Parameter(negative=())] = False
    """Only tell what would be done, and how long it would take, from two seconds of each size of video."""
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    """Do so many videos at most, of those that are left."""
    patience: Annotated[float, Parameter(validator=Number(gt=0))] = 300
    """Seconds that a video may take, and one more for each of its frames, before its process is taken to hang."""
