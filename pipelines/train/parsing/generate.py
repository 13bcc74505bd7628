"""Processes that generate store files while the network trains."""

import os
import signal
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from motion_imitate import bodies
from motion_imitate.synthesis.borrowed import preload_wardrobe
from motion_imitate.synthesis.closet import ClothingSettings
from motion_imitate.synthesis.store import (
    PeopleSource,
    StoreSettings,
    people_shard_path,
    scene_shard_path,
    write_people_shard,
    write_scene_shard,
)
from pipelines.train.parsing.options import ParsingTrainOptions

FIRST_SCENE_SHARDS = 2  # files of scenes that each worker writes before people
PEOPLE_PER_SCENE_SHARD = 8  # people between two files of scenes


@dataclass(frozen=True)
class StoreFolders:
    """Where people to train on and held-out people are written."""

    learn: Path
    held: Path


def training_store_settings(how: ParsingTrainOptions, part: str) -> StoreSettings:
    """The store's settings for people to train on (`learn`) or held out (`held`)."""
    closet = ClothingSettings(wardrobe=how.wardrobe, own=0.6, part="held" if part == "held" else "learn")
    views = how.held_views if part == "held" else how.views
    settings = StoreSettings(how.size, views, how.seed + (part == "held"), coding="raw", motions=how.motions)
    return replace(settings, closet=closet)


def start_people_workers(how: ParsingTrainOptions, folders: StoreFolders) -> list[BaseProcess]:
    """Fork workers, after loading and compiling once what takes long."""
    torch.set_num_threads(1)
    body = bodies.load_body()
    sources = {part: PeopleSource(body, training_store_settings(how, part)) for part in ("held", "learn")}
    if how.wardrobe is not None:
        preload_wardrobe(how.wardrobe, body.name)
    sources["learn"].render_person(1_000_000)
    context = get_context("fork")
    workers: list[BaseProcess] = [
        context.Process(target=generate_people, args=(sources, folders, number, how), daemon=True)
        for number in range(how.workers)
    ]
    for worker in workers:
        worker.start()
    return workers


def generate_people(
    sources: dict[str, PeopleSource], folders: StoreFolders, number: int, how: ParsingTrainOptions
) -> None:
    """Generate scenes, this worker's share of held-out people, then people to train on until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    torch.set_num_threads(1)
    learn, held = sources["learn"], sources["held"]
    scenes = number
    for _ in range(FIRST_SCENE_SHARDS):
        write_shard_if_missing(write_scene_shard, scene_shard_path, folders.learn, learn, scenes)
        scenes += how.workers
    if number == 0:
        write_shard_if_missing(write_scene_shard, scene_shard_path, folders.held, held, 0)
    parent, person = os.getppid(), number
    mine = range(number, how.held_people, how.workers)
    early = len(mine) // 4
    for k in mine[:early]:
        write_shard_if_missing(write_people_shard, people_shard_path, folders.held, held, k)
    rest = list(mine[early:])
    made = 0
    while os.getppid() == parent:
        write_shard_if_missing(write_people_shard, people_shard_path, folders.learn, learn, person)
        person += how.workers
        made += 1
        if made % 2 == 0 and rest:
            write_shard_if_missing(write_people_shard, people_shard_path, folders.held, held, rest.pop(0))
        if made % PEOPLE_PER_SCENE_SHARD == 0:
            write_shard_if_missing(write_scene_shard, scene_shard_path, folders.learn, learn, scenes)
            scenes += how.workers


def write_shard_if_missing(write: object, name: object, folder: Path, source: PeopleSource, number: int) -> None:
    """Write a file of the store unless it exists."""
    assert callable(write)
    assert callable(name)
    if not name(folder, number).exists():
        write(folder, source, number)


def stop_people_workers(workers: list[BaseProcess]) -> None:
    """Kill the workers."""
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join(1)
