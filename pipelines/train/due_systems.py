"""The systems that a run on a GPU is to train further, and the part of `gpu_run` that trains one of them.

docs/training.md holds the same table.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, time

from motion_imitate.weights import read_weights
from pipelines.reporter import OK, Reporter
from pipelines.train.corrections import run_corrections_training
from pipelines.train.dense_pose import run_dense_pose_training
from pipelines.train.detail_replenishing import run_detail_training
from pipelines.train.hmr import run_hmr_training
from pipelines.train.loop import CHECKPOINT_FILE
from pipelines.train.options import CorrectionOptions, StoreTrainingOptions
from pipelines.train.pose_guided import run_pose_guided_training

STEADY_SHARE = 0.7  # of the time, at a constant learning rate; then it falls over as many steps as the rest allows
COOLDOWN_MARGIN = 0.9  # of the steps that the rest would allow at the same speed
LEAST_COOLDOWN_SECONDS = 4.0
HELD_OUT_MINUTES = 0.6  # that `corrections` takes for the views of its preview, before its own time begins

StoreTraining = Callable[[Path, Path, StoreTrainingOptions, Reporter], int]


@dataclass(frozen=True)
class DueSystem:
    """How far a system is trained, and how it goes on. A sample is a pair of views, or for `corrections` a view."""

    trained: int  # samples so far
    wanted: int  # samples that a run on a GPU should add
    batch: int  # samples of a step on a GPU
    train: StoreTraining | None  # None: its samples are made while it trains


DUE_SYSTEMS = {
    "pg2": DueSystem(150_000, 1_000_000, 128, run_pose_guided_training),
    "drn": DueSystem(150_000, 1_000_000, 128, run_detail_training),
    "dense-pose": DueSystem(150_000, 1_000_000, 128, run_dense_pose_training),
    "hmr": DueSystem(0, 1_000_000, 256, run_hmr_training),
    "corrections": DueSystem(151_024, 1_000_000, 48, None),
}
VIEWS_PER_PERSON = 3  # of a step of `corrections`
KEPT_PEOPLE = 400  # of `corrections`: cores make them in the first half of the time, and the GPU sees them again


@dataclass(frozen=True)
class DueTraining:
    """How a part of the run trains a system."""

    store: Path
    until: float  # seconds since the epoch
    device: str
    batch: int
    begin: Path | None = None
    makehuman: Path | None = None
    motions: Path | None = None
    workers: int = 1
    seed: int = 0

    @property
    def minutes(self) -> float:
        """Minutes that are left."""
        return max(0.0, self.until - time()) / 60


def train_due_system(name: str, folder: Path, how: DueTraining, reporter: Reporter) -> int:
    """Train a system until the time is up; returns the exit code."""
    train = DUE_SYSTEMS[name].train
    if train is None:
        people = max(1, how.batch // VIEWS_PER_PERSON)
        making = CorrectionOptions(
            seed=how.seed,
            minutes=max(0.0, how.minutes - HELD_OUT_MINUTES),
            begin=how.begin,
            device=how.device,
            makehuman=how.makehuman,
            motions=how.motions,
            people=people,
            workers=how.workers,
            samples=folder.with_name(f"{name}_samples"),
            kept=KEPT_PEOPLE,
        )
        return run_corrections_training(folder, making, reporter)
    learning = StoreTrainingOptions(how.seed, device=how.device, batch=how.batch, begin=how.begin)
    start = monotonic()
    code = train(folder, how.store, replace(learning, minutes=STEADY_SHARE * how.minutes), reporter)
    seconds, left = monotonic() - start, how.minutes
    if code != OK or 60 * left < LEAST_COOLDOWN_SECONDS:
        return code
    done = int(read_weights(folder / CHECKPOINT_FILE)[0]["step"])
    more = max(1, int(COOLDOWN_MARGIN * done * 60 * left / seconds))
    return train(folder, how.store, replace(learning, minutes=left, steps=done + more, cooldown=more), reporter)


def main() -> int:
    """Train one system as the command line says."""
    parser = argparse.ArgumentParser(prog="due_systems", description=__doc__)
    parser.add_argument("name", choices=DUE_SYSTEMS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("how", help="the settings of `DueTraining` as JSON")
    given = parser.parse_args()
    said = json.loads(given.how)
    paths = {key: Path(said[key]) for key in ("store", "begin", "makehuman", "motions") if said[key] is not None}
    return train_due_system(given.name, given.folder, DueTraining(**said | paths), Reporter(quiet=True))


if __name__ == "__main__":
    raise SystemExit(main())
