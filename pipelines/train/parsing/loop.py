"""The training loop of the parsing network: it trains on the pictures that exist so far until its time is up."""

import json
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import torch
from torch import Tensor

from motion_imitate.avatar.parsing_net import parsing_net_parameters
from motion_imitate.synthesis.photo_damage import BatchRandom, make_parsing_samples
from pipelines.device import allow_fast_training
from pipelines.train.parsing.evaluation import evaluate_parsing_run
from pipelines.train.parsing.generate import StoreFolders, stop_people_workers
from pipelines.train.parsing.options import ParsingTrainOptions
from pipelines.train.parsing.pool import DevicePool, ShardReader
from pipelines.train.parsing.trainer import ParsingTrainer

LOG_FILE = "log.jsonl"
SCENE_CAPACITY, HELD_SCENE_CAPACITY = 6000, 200  # scenes kept on the device


def train_parsing_net(how: ParsingTrainOptions, folders: StoreFolders, workers: list[BaseProcess], end: float) -> None:
    """Train until `end`, a reading of `time.monotonic`, and evaluate."""
    begin = monotonic()
    torch.set_num_threads(1)
    allow_fast_training(how.device)
    pool = DevicePool(how.size, how.most, SCENE_CAPACITY, how.device)
    held = DevicePool(how.size, how.held_people * how.held_views, HELD_SCENE_CAPACITY, how.device)
    readers = (ShardReader(folders.learn, how.device), ShardReader(folders.held, how.device))
    run = ParsingTrainer(how)
    about = {"parameters": parsing_net_parameters(run.net), "batch": how.batch}
    append_training_log(how.out, {"event": "begin", "seconds": round(monotonic() - begin, 1), **about})
    late = end - how.ending
    while (len(pool) < how.first or not len(pool.ready_scenes)) and monotonic() < late - 0.3 * (late - begin):
        pool.copy_ready(readers[0])
        held.copy_ready(readers[1])
        sleep(0.02)
    generator = torch.Generator(how.device).manual_seed(how.seed)
    random = BatchRandom(generator, how.batch)
    start = saved = logged = monotonic()
    append_training_log(how.out, {"event": "learn", "seconds": round(start - begin, 1), "pictures": len(pool)})
    last: dict[str, Tensor] = {}
    host, steps = 0.0, 0
    while monotonic() < late:
        figures = sample_figures(pool, how.batch, generator)
        samples = make_parsing_samples(figures, pool.ready_scenes, random, how.damage)
        last = run.train_step(samples, (monotonic() - start) / (late - start))
        copying = monotonic()
        pool.copy_ready(readers[0])
        held.copy_ready(readers[1])
        now = monotonic()
        host += now - copying
        if now - logged > 5:
            spent = {"step_ms": (now - logged) / (run.step - steps) * 1000, "copy_ms": host / (run.step - steps) * 1000}
            logged, host, steps = now, 0.0, run.step
            sizes = {"pictures": pool.seen, "scenes": pool.scenes_seen, "held": held.seen}
            values = {k: round(float(v.detach()), 4) for k, v in last.items()}
            split = {k: round(v, 1) for k, v in spent.items()}
            append_training_log(
                how.out, {"step": run.step, "seconds": round(now - begin, 1), **sizes, **split, **values}
            )
        if now - saved > 60:
            saved = now
            run.save_weights(how.out, {"size": how.size, "complete": False})
    append_training_log(
        how.out, {"event": "learnt", "step": run.step, "samples": run.step * how.batch, "pictures": pool.seen}
    )
    run.save_weights(how.out, {"size": how.size, "complete": True})
    stop_people_workers(workers)
    readers[1].finish_reading(3.0)
    held.copy_ready(readers[1], 10_000)
    evaluate_parsing_run(how, run, pool, held, end)


def sample_figures(pool: DevicePool, count: int, generator: torch.Generator) -> Any:
    """Random pictures of the pool."""
    return pool.figures.select(torch.randint(len(pool), (count,), generator=generator, device=generator.device))


def append_training_log(out: Path, what: dict[str, Any]) -> None:
    """Append a line to the log."""
    with (out / LOG_FILE).open("a") as log:
        log.write(json.dumps(what) + "\n")
