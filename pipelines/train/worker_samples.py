"""Training samples that worker processes make while the networks train."""

import signal
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

import torch

from motion_imitate import bodies
from motion_imitate.synthesis.held_out import select_split
from motion_imitate.synthesis.pairs import SyntheticDataset
from pipelines.output_path import UsageError
from pipelines.streaming.threads import in_order
from pipelines.synthesize.people import training_sampling
from pipelines.train.distributed import ProcessRank
from pipelines.train.options import TrainingOptions

SampleT = TypeVar("SampleT")

MIN_DISCRIMINATOR_PIXELS = 48  # narrowest image that the discriminator can score


@lru_cache(maxsize=1)
def load_training_pairs(how: TrainingOptions, views: int, side: int) -> SyntheticDataset:
    """The source of synthetic people for these options, in pictures of `side` pixels height.

    Cached; limits the process to one thread.
    """
    torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
    return SyntheticDataset(bodies.load_body(), training_sampling(how, side, views), how.seed)


def check_discriminator_size(narrowest: int) -> None:
    """Refuse pictures whose narrower side is too small for the discriminator to score them."""
    if narrowest < MIN_DISCRIMINATOR_PIXELS:
        raise UsageError(
            f"pictures {narrowest} pixels wide are too small for a discriminator; give a --size of 72 or more, or a "
            f"store of {MIN_DISCRIMINATOR_PIXELS} pixels"
        )


def describe_training_people(how: TrainingOptions) -> dict[str, Any]:
    """Metadata of the weights: which people they were trained on."""
    motions = sorted(how.motions.glob("*.txt")) if how.motions else []
    return {
        "size": how.size,
        "people": how.people,
        "part": how.part,
        "wardrobe": bool(how.makehuman),
        "motions": [path.stem for path in select_split(motions, how.part)],
    }


def keep_all(samples: SampleT, _: int) -> SampleT:
    """Every step sees all samples."""
    return samples


@dataclass(frozen=True)
class WorkerSamples(Generic[SampleT]):
    """How samples are made, and how often each is used."""

    how: TrainingOptions
    make_sample: Callable[
        [int, int], bytes
    ]  # (batch index, sample number) to a packed sample; called in worker processes
    collate: Callable[[list[bytes]], SampleT]  # packed samples to a batch
    select: Callable[[SampleT, int], SampleT] = keep_all  # what the k-th step sees of its samples
    times: int = 2  # steps on the same samples, which are slow to make

    def stream(self, first: int, rank: ProcessRank) -> Generator[SampleT]:
        """Batches for each step from step `first` on, without end."""
        people, workers = self.how.people, self.how.workers
        with ProcessPoolExecutor(workers, get_context("spawn"), ignore_signals) as pool:

            def asked(lot: int) -> list[Future[bytes]]:
                start = (lot * rank.count + rank.number) * people
                return [pool.submit(self.make_sample, lot, number) for number in range(start, start + people)]

            def told(asked: list[Future[bytes]]) -> SampleT:
                return self.collate([one.result() for one in asked])

            try:
                lot, done = divmod(first, self.times)
                for some in in_order(asked, told, count(lot), 1 + -(-workers // people)):
                    for step in range(done, self.times):
                        yield self.select(some, lot * self.times + step)
                    done = 0
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def ignore_signals() -> None:
    """Leave it to the loop to end this worker process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
