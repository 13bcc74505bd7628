"""`motion-imitate synthesize`: made-up people in pairs of poses, as files to train from."""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from motion_imitate import bodies
from motion_imitate.files import put, trouble
from motion_imitate.synthesis import shards
from motion_imitate.synthesis.closet import Closet
from motion_imitate.synthesis.pairs import Pairs, Sampling
from pipelines.output_path import Refused
from pipelines.reporter import Talk
from pipelines.synthesize.options import Synthesizing

SHARD = 64  # samples of a file
SETTINGS, SHEET = "settings.json", "sheet.png"
SHOWN, ACROSS = 48, 6  # samples of the sheet, and of a row of it


@dataclass(frozen=True)
class Job:
    folder: Path
    how: Synthesizing
    start: int
    stop: int

    @property
    def path(self) -> Path:
        """Its name tells how many it holds: a short last one is made anew if more are asked for."""
        return self.folder / f"pairs_{self.start // SHARD:06d}_{self.stop - self.start}.safetensors"

    def __len__(self) -> int:
        return self.stop - self.start


def sampling(how: Synthesizing) -> Sampling:
    return Sampling(
        (how.size, how.size),
        how.views,
        how.motions,
        how.backgrounds,
        closet=Closet(wardrobe=how.makehuman, part=how.part),
    )


@lru_cache(maxsize=1)
def source(how: Synthesizing) -> Pairs:
    torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
    return Pairs(bodies.load(), sampling(how), how.seed)


def made(job: Job) -> Job:
    """One file."""
    samples = list(source(job.how).run(job.start, job.stop))
    shards.write(job.path, samples, {"seed": job.how.seed, "first": job.start, "count": len(job)})
    return job


def jobs(folder: Path, how: Synthesizing) -> list[Job]:
    return [Job(folder, how, k, min(k + SHARD, how.count)) for k in range(0, how.count, SHARD)]


def begun(folder: Path, how: Synthesizing) -> None:
    """Makes the folder, or refuses one that holds something else."""
    said = {k: str(v) if isinstance(v, Path) else v for k, v in vars(how).items() if k not in ("count", "workers")}
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {folder} cannot be made ({error.strerror}); choose another") from None
    settings = folder / SETTINGS
    if settings.exists():
        if json.loads(settings.read_text()) != said:
            raise Refused(f"{folder} holds samples of other settings ({settings}); give those, or another folder")
    elif any(folder.iterdir()):
        raise Refused(f"{folder} is not empty; name one that is, that is not there yet, or that was begun before")
    else:
        put(settings, (json.dumps(said, indent=1) + "\n").encode())


def synthesize(folder: Path, how: Synthesizing, talk: Talk) -> None:
    """What is there already is not made again; what comes of it is the same as if nothing had been there."""
    source(how)  # whose folders it looks at
    begun(folder, how)
    every = jobs(folder, how)
    missing = [job for job in every if not job.path.exists()]
    for _ in talk.counted(finished(missing, how), "synthesize", sum(map(len, missing))):
        pass
    for old in sorted(set(folder.glob("pairs_*.safetensors")) - {job.path for job in every}):
        if any(old.name.startswith(job.path.name[:13]) for job in every):  # a short one, made anew
            old.unlink()
    with trouble(folder / SHEET):
        sheet(every, folder / SHEET)
    record: dict[str, Any] = {"output": str(folder), "samples": how.count, "made": sum(map(len, missing))}
    talk.result(record, f"{folder}: {how.count} samples in {len(every)} files, {record['made']} of them made now")


def finished(missing: list[Job], how: Synthesizing) -> Iterator[Job]:
    if how.workers == 1 or len(missing) < 2:
        yield from map(made, missing)
        return
    with ProcessPoolExecutor(min(how.workers, len(missing)), get_context("spawn")) as pool:
        try:
            yield from pool.map(made, missing)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def sheet(every: list[Job], path: Path) -> None:
    """The first samples, all views of each side by side."""
    samples = islice((sample for job in every for sample in shards.read(job.path)), SHOWN)
    tiles = [np.concatenate([*(s.image.permute(0, 2, 3, 1).numpy() * 255 + 0.5)], 1).astype(np.uint8) for s in samples]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(ACROSS, len(tiles)))
    across = min(ACROSS, len(tiles))
    rows = [np.concatenate(tiles[k : k + across], 1) for k in range(0, len(tiles), across)]
    _, data = cv2.imencode(".png", np.concatenate(rows)[..., ::-1])
    put(path, data.tobytes())
