"""One command that makes pictures, learns from them and ends in time:

python -m pipelines.train.parsing.gpu_run --minutes 8.5 --out DIR --wardrobe DIR --motions DIR
"""

import argparse
import json
import os
import shutil
import tempfile
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic

from pipelines.train.parsing.command import train_parsing_net
from pipelines.train.parsing.generate import StoreFolders, start_people_workers, stop_people_workers
from pipelines.train.parsing.options import ParsingTrainOptions

GRACE_SECONDS = 20.0  # seconds after which the run is ended whatever it does


def parse_training_arguments() -> ParsingTrainOptions:
    plain = ParsingTrainOptions(Path())
    parser = argparse.ArgumentParser(prog="gpu_run", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=plain.minutes)
    parser.add_argument("--wardrobe", type=Path)
    parser.add_argument("--motions", type=Path)
    parser.add_argument("--begin", type=Path, help="weights of a checkpoint to go on from")
    parser.add_argument("--device", default=plain.device)
    parser.add_argument("--size", default="256x192", help="height x width")
    for name in ("workers", "views", "held_people", "held_views", "first", "most", "batch", "warm", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(plain, name))
    for name in ("rate", "ending", "mean"):
        parser.add_argument(f"--{name}", type=float, default=getattr(plain, name))
    given = vars(parser.parse_args())
    height, width = (int(n) for n in given.pop("size").split("x"))
    return ParsingTrainOptions(size=(height, width), **given)


def run_timed_training() -> None:
    begin = monotonic()
    how = parse_training_arguments()
    how.out.mkdir(parents=True, exist_ok=True)
    home = "/dev/shm" if Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 20 << 30 else None
    store = Path(tempfile.mkdtemp(prefix="parsing_store_", dir=home))
    folders = StoreFolders(store / "learn", store / "held")
    for folder in (folders.learn, folders.held):
        folder.mkdir()
    workers: list[BaseProcess] = []
    end = threading.Timer(how.minutes * 60 + GRACE_SECONDS, abort_run, (workers, store))
    end.daemon = True
    end.start()
    try:
        workers += start_people_workers(how, folders)
        note_of_run(how.out, {"event": "workers", "seconds": round(monotonic() - begin, 1), "store": str(store)})
        train_parsing_net(how, folders, workers, begin + how.minutes * 60)
    finally:
        stop_people_workers(workers)
        shutil.rmtree(store, ignore_errors=True)


def note_of_run(out: Path, what: dict[str, object]) -> None:
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps(what) + "\n")


def abort_run(workers: list[BaseProcess], store: Path) -> None:
    for worker in workers:
        worker.kill()
    shutil.rmtree(store, ignore_errors=True)
    os._exit(3)


if __name__ == "__main__":
    run_timed_training()
