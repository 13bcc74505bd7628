"""Train the human parsing network in a fixed time: generates pictures, trains on them and evaluates.

python -m pipelines.train.parsing.gpu_run --minutes 8.5 --out DIR --wardrobe DIR --motions DIR
"""

import argparse
import os
import shutil
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic

from pipelines.train.parsing.generate import StoreFolders, start_people_workers, stop_people_workers
from pipelines.train.parsing.loop import append_training_log, train_parsing_net
from pipelines.train.parsing.options import ParsingTrainOptions
from pipelines.train.timed_parts import scratch_folder

GRACE_SECONDS = 20.0  # seconds past --minutes after which the process is ended


def parse_training_arguments() -> ParsingTrainOptions:
    """Settings from the command line."""
    plain = ParsingTrainOptions(Path())
    parser = argparse.ArgumentParser(prog="gpu_run", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=plain.minutes)
    parser.add_argument("--wardrobe", type=Path)
    parser.add_argument("--motions", type=Path)
    parser.add_argument("--begin", type=Path, help="checkpoint.safetensors of an earlier run to continue from")
    parser.add_argument("--device", default=plain.device)
    parser.add_argument("--size", default="256x192", help="height x width")
    for name in ("workers", "views", "held_people", "held_views", "first", "most", "batch", "warm", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(plain, name))
    for name in ("rate", "ending", "mean"):
        parser.add_argument(f"--{name}", type=float, default=getattr(plain, name))
    arguments = vars(parser.parse_args())
    height, width = (int(n) for n in arguments.pop("size").split("x"))
    return ParsingTrainOptions(size=(height, width), **arguments)


def run_timed_training() -> None:
    """Generate, train and evaluate within --minutes."""
    begin = monotonic()
    how = parse_training_arguments()
    how.out.mkdir(parents=True, exist_ok=True)
    workers: list[BaseProcess] = []
    with scratch_folder("parsing_store_") as store:
        folders = StoreFolders(store / "learn", store / "held")
        for folder in (folders.learn, folders.held):
            folder.mkdir()
        end = threading.Timer(how.minutes * 60 + GRACE_SECONDS, abort_run, (workers, store))
        end.daemon = True
        end.start()
        try:
            workers += start_people_workers(how, folders)
            append_training_log(
                how.out, {"event": "workers", "seconds": round(monotonic() - begin, 1), "store": str(store)}
            )
            train_parsing_net(how, folders, workers, begin + how.minutes * 60)
        finally:
            stop_people_workers(workers)


def abort_run(workers: list[BaseProcess], store: Path) -> None:
    """End the process, its workers and its files at once."""
    for worker in workers:
        worker.kill()
    shutil.rmtree(store, ignore_errors=True)
    os._exit(3)


if __name__ == "__main__":
    run_timed_training()
