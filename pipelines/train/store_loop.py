"""Train on pairs of views from a store of synthetic people."""

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from motion_imitate.training.backbones import load_lite0
from motion_imitate.training.decoded_store import DecodedStore, open_decoded_store
from motion_imitate.training.pair_inputs import CropPerception
from motion_imitate.training.store_pairs import PairBatch, StorePairs
from pipelines.device import check_device
from pipelines.reporter import Reporter
from pipelines.train.distributed import ProcessRank, join_process_group
from pipelines.train.loop import LoopSettings, TrainingTask, run_training_loop
from pipelines.train.optimizer import Objective, OptimizerSettings
from pipelines.train.options import StoreTrainingOptions

HELD_OUT_PAIRS, HELD_OUT_SEED = 8, 1  # of the preview
SAVE_SECONDS = 180.0  # between checkpoints
WARM_UP_STEPS = 150
LEAST_CROPS = 8  # of a step
WHOLE_PICTURE = 1 << 16  # side and count of crops that leave nothing out

WeightsT = TypeVar("WeightsT")

ObjectiveMaker = Callable[[StorePairs, PairBatch, str], Objective[PairBatch]]  # of pairs, held-out pairs and a device


def small_network_pace(how: StoreTrainingOptions) -> OptimizerSettings:
    """The optimizer settings of small networks; the rate falls to the last step, if --steps says which that is."""
    falls = None
    if how.steps:
        first = WARM_UP_STEPS if how.cooldown is None else max(0, how.steps - how.cooldown)
        falls = (first, max(how.steps, first + 1))
    return OptimizerSettings(
        1e-3, (0.9, 0.99), WARM_UP_STEPS, steady=0.995, falls=falls, curve="cosine", cpu_bfloat16=True
    )


def choose_loss_weights(weights: WeightsT, how: StoreTrainingOptions) -> WeightsT:
    """The loss weights, with the adversarial one of the options if they give any."""
    return weights if how.adversarial is None else replace(weights, adversarial=how.adversarial)  # type: ignore[type-var]


def load_perception(whole: bool, how: StoreTrainingOptions, device: str) -> CropPerception:
    """Perceptual features of whole pictures, or of a small crop of every other one, which is several times as fast."""
    eyes = load_lite0(depths=3).to(device)
    if whole:
        return CropPerception(eyes, WHOLE_PICTURE, WHOLE_PICTURE)
    return CropPerception(eyes, count=max(LEAST_CROPS, how.batch // 2))


def stream_store_pairs(
    pairs: StorePairs, how: StoreTrainingOptions, first: int, rank: ProcessRank
) -> Generator[PairBatch]:
    """Random pairs for each step from step `first` on; they depend on the seed, the step and the process alone."""
    generator = torch.Generator(rank.device)
    for step in count(first):
        mixed = np.random.SeedSequence([how.seed, step, rank.number]).generate_state(1, np.uint64)
        yield pairs.draw(generator.manual_seed(int(mixed[0] >> 1)), how.batch)


def draw_held_out_pairs(store: DecodedStore, device: str) -> PairBatch:
    """The same pairs of held-out people each time."""
    generator = torch.Generator(device).manual_seed(HELD_OUT_SEED)
    return StorePairs.select(store, "held", device).draw(generator, HELD_OUT_PAIRS)


def run_store_training(
    folder: Path,
    store: Path,
    how: StoreTrainingOptions,
    make_objective: ObjectiveMaker,
    pace: OptimizerSettings,
    about: dict[str, Any],
    reporter: Reporter,
) -> int:
    """Train what `make_objective` makes, on a store; returns the exit code."""
    with join_process_group(how.device) as rank:
        check_device(rank.device)
        decoded = open_decoded_store(store).to(rank.device)
        pairs = StorePairs.select(decoded, "learn", rank.device)
        subject = make_objective(pairs, draw_held_out_pairs(decoded, rank.device), rank.device)
        size = {"size": list(pairs.size), "form": how.size, "people": len(pairs.people), "batch": how.batch}
        learning = LoopSettings(pace, SAVE_SECONDS)
        task = TrainingTask(subject, partial(stream_store_pairs, pairs, how), learning, about | size)
        return run_training_loop(folder, how, task, rank, reporter)
