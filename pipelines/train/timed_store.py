"""Make a store of synthetic people in a fixed time, on all cores, and decode it.

python -m pipelines.train.timed_store DIR --seconds 90 --workers 15
"""

import argparse
import os
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

import cv2
import torch

from motion_imitate import bodies
from motion_imitate.synthesis.borrowed import preload_wardrobe
from motion_imitate.synthesis.closet import ClothingSettings
from motion_imitate.synthesis.store import PeopleSource, StoreSettings, write_people_shard, write_scene_shard
from motion_imitate.training.decoded_store import open_decoded_store
from pipelines.synthesize.people_store import open_store_folder, parse_picture_size

STORE_NICENESS = 5  # other parts of the run are short
LEAST_PEOPLE = 5  # made even if the time is up: one is held out


def make_timed_store(folder: Path, settings: StoreSettings, seconds: float, workers: int) -> int:
    """Write files of people until the time is up, and decode them; returns the number of people."""
    end = monotonic() + seconds
    torch.set_num_threads(1)  # of each process
    cv2.setNumThreads(1)
    open_store_folder(folder, settings)
    body = bodies.load_body()
    source = PeopleSource(body, settings)
    if settings.closet.wardrobe is not None:
        preload_wardrobe(settings.closet.wardrobe, body.name)
    write_people_shard(folder, source, 0)  # compiles what the processes share
    write_scene_shard(folder, source, 0)
    context = get_context("fork")
    processes = [
        context.Process(target=write_shards_until, args=(folder, source, number, workers, end), daemon=True)
        for number in range(1, workers + 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return open_decoded_store(folder).people


def write_shards_until(folder: Path, source: PeopleSource, first: int, step: int, end: float) -> None:
    """Write every step-th person from `first` on, after one file of scenes."""
    os.nice(STORE_NICENESS)
    if monotonic() < end:
        write_scene_shard(folder, source, first)
    for number in count(first, step):
        if monotonic() > end and number >= LEAST_PEOPLE:
            return
        write_people_shard(folder, source, number)


def main() -> None:
    """Make a store as the command line says."""
    parser = argparse.ArgumentParser(prog="timed_store", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=parse_picture_size, default=(128, 96), metavar="HEIGHTxWIDTH")
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--makehuman", type=Path)
    parser.add_argument("--motions", type=Path)
    given = parser.parse_args()
    closet = ClothingSettings(wardrobe=given.makehuman, part="learn")
    settings = StoreSettings(given.size, given.views, given.seed, coding="raw", motions=given.motions, closet=closet)
    begin = monotonic()
    people = make_timed_store(given.folder, settings, given.seconds, max(1, given.workers))
    print(f"{people} people in {people * given.views} pictures, {monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
