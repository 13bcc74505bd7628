"""`motion-imitate synthesize`: write a store of labelled pictures of synthetic people."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import torch

from motion_imitate import bodies
from motion_imitate.files import write_bytes_atomically
from motion_imitate.synthesis.closet import ClothingSettings
from motion_imitate.synthesis.store import (
    SCENES_PER_SHARD,
    PeopleSource,
    StoreSettings,
    describe_store_settings,
    people_shard_path,
    scene_shard_path,
    write_people_shard,
    write_scene_shard,
)
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from pipelines.synthesize.people_store_options import PeopleStoreOptions

STORE_SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class StoreShard:
    """One file of the store: a person, or scenes."""

    folder: Path
    settings: StoreSettings
    number: int
    scenes: bool

    @property
    def path(self) -> Path:
        """Where the file goes."""
        return (scene_shard_path if self.scenes else people_shard_path)(self.folder, self.number)

    def __len__(self) -> int:
        return 0 if self.scenes else self.settings.views


def people_store_settings(how: PeopleStoreOptions) -> StoreSettings:
    """The store's settings for these options."""
    return StoreSettings(
        parse_picture_size(how.size),
        how.views,
        how.seed,
        motions=how.motions,
        closet=ClothingSettings(wardrobe=how.makehuman, part=how.part),
    )


def parse_picture_size(text: str) -> tuple[int, int]:
    """Height and width of --size."""
    height, cross, width = text.partition("x")
    if not (cross and height.isdigit() and width.isdigit()):
        raise UsageError(f"--size {text} is not HEIGHTxWIDTH; give for example 256x192")
    sides = int(height), int(width)
    if any(side % 8 or not 32 <= side <= 1024 for side in sides):
        raise UsageError(f"--size {text}: both sides must be multiples of 8 from 32 to 1024; give for example 256x192")
    return sides


@lru_cache(maxsize=1)
def load_people_source(settings: StoreSettings) -> PeopleSource:
    """The generator of pictures, loaded once per process."""
    torch.set_num_threads(1)  # small tensors: a second thread costs more than it saves
    return PeopleSource(bodies.load_body(), settings)


def write_shard_file(shard: StoreShard) -> StoreShard:
    """Write one file of the store."""
    write = write_scene_shard if shard.scenes else write_people_shard
    write(shard.folder, load_people_source(shard.settings), shard.number)
    return shard


def list_store_shards(folder: Path, how: PeopleStoreOptions) -> list[StoreShard]:
    """All files of the store."""
    settings = people_store_settings(how)
    scenes = [StoreShard(folder, settings, k, True) for k in range(-(-how.scenes // SCENES_PER_SHARD))]
    return scenes + [StoreShard(folder, settings, k, False) for k in range(how.people)]


def open_store_folder(folder: Path, settings: StoreSettings) -> None:
    """Create the folder, or refuse one that holds something else."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be created ({error.strerror}); choose another") from None
    described, path = describe_store_settings(settings), folder / STORE_SETTINGS_FILE
    if path.exists():
        if path.read_text() != described:
            raise UsageError(
                f"{folder} holds a store with other settings ({path}); give the same settings, or another folder"
            )
    elif any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and no store; give a new or empty folder, or a store to resume")
    else:
        write_bytes_atomically(path, described.encode())


def write_people_store(folder: Path, how: PeopleStoreOptions, reporter: Reporter) -> None:
    """Write the missing files; the result is the same as if none had existed."""
    if how.backgrounds is not None:
        raise UsageError("--backgrounds is not used here: scenes are generated; leave it out")
    open_store_folder(folder, people_store_settings(how))
    every = list_store_shards(folder, how)
    missing = [shard for shard in every if not shard.path.exists()]
    for _ in reporter.track_progress(write_missing_shards(missing, how.workers), "synthesize", sum(map(len, missing))):
        pass
    record = {"output": str(folder), "people": how.people, "pictures": sum(map(len, every)), "made": len(missing)}
    reporter.result(
        record, f"{folder}: {how.people} people in {record['pictures']} pictures, {len(missing)} files made now"
    )


def write_missing_shards(missing: list[StoreShard], workers: int) -> Iterator[StoreShard]:
    """Write files in this process or in several, and yield each when it is done."""
    if workers == 1 or len(missing) < 2:
        yield from map(write_shard_file, missing)
        return
    with ProcessPoolExecutor(min(workers, len(missing)), get_context("spawn")) as pool:
        try:
            yield from pool.map(write_shard_file, missing)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
