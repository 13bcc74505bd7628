"""`motion-imitate synthesize-pairs`: write synthetic people in pairs of poses to files, for training."""

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
from motion_imitate.files import raise_output_errors, write_bytes_atomically
from motion_imitate.synthesis import shards
from motion_imitate.synthesis.closet import ClothingSettings
from motion_imitate.synthesis.pairs import SampleSettings, SyntheticDataset
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from pipelines.synthesize.options import SynthesizeOptions

SAMPLES_PER_SHARD = 64  # samples per file
SETTINGS_FILE, SAMPLE_SHEET_FILE = "settings.json", "sheet.png"
SHEET_SAMPLES, SHEET_COLUMNS = 48, 6  # samples on the contact sheet, and per row


@dataclass(frozen=True)
class ShardJob:
    """One output file: samples `start` to `stop`."""

    folder: Path
    how: SynthesizeOptions
    start: int
    stop: int

    @property
    def path(self) -> Path:
        """The file's name includes its number of samples, so a short last file is rewritten when more samples are asked
        for."""
        return self.folder / f"pairs_{self.start // SAMPLES_PER_SHARD:06d}_{self.stop - self.start}.safetensors"

    def __len__(self) -> int:
        return self.stop - self.start


def synthesis_sampling(how: SynthesizeOptions) -> SampleSettings:
    """Sampling settings for these options."""
    return SampleSettings(
        (how.size, how.size),
        how.views,
        how.motions,
        how.backgrounds,
        closet=ClothingSettings(wardrobe=how.makehuman, part=how.part),
    )


@lru_cache(maxsize=1)
def load_synthesis_pairs(how: SynthesizeOptions) -> SyntheticDataset:
    """The source of synthetic people for these options. Cached; limits the process to one thread."""
    torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
    return SyntheticDataset(bodies.load_body(), synthesis_sampling(how), how.seed)


def synthesize_shard(job: ShardJob) -> ShardJob:
    """Write one file."""
    samples = list(load_synthesis_pairs(job.how).run(job.start, job.stop))
    shards.write_shard(job.path, samples, {"seed": job.how.seed, "first": job.start, "count": len(job)})
    return job


def plan_shard_jobs(folder: Path, how: SynthesizeOptions) -> list[ShardJob]:
    """The jobs of all files, including those already written."""
    return [
        ShardJob(folder, how, k, min(k + SAMPLES_PER_SHARD, how.count)) for k in range(0, how.count, SAMPLES_PER_SHARD)
    ]


def prepare_synthesis_folder(folder: Path, how: SynthesizeOptions) -> None:
    """Create the folder and record the settings; refuse a folder that holds anything else."""
    said = {k: str(v) if isinstance(v, Path) else v for k, v in vars(how).items() if k not in ("count", "workers")}
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create the folder {folder} ({error.strerror}); choose another") from None
    settings = folder / SETTINGS_FILE
    if settings.exists():
        if json.loads(settings.read_text()) != said:
            raise UsageError(f"{folder} holds samples with other settings ({settings}); use those, or another folder")
    elif any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; give a new or empty folder, or that of an earlier run")
    else:
        write_bytes_atomically(settings, (json.dumps(said, indent=1) + "\n").encode())


def run_synthesize(folder: Path, how: SynthesizeOptions, reporter: Reporter) -> None:
    """Write the missing files; a resumed run ends with the same files as an uninterrupted one."""
    load_synthesis_pairs(how)  # fails early if a folder is wrong
    prepare_synthesis_folder(folder, how)
    every = plan_shard_jobs(folder, how)
    missing = [job for job in every if not job.path.exists()]
    for _ in reporter.track_progress(run_shard_jobs(missing, how), "synthesize", sum(map(len, missing))):
        pass
    for old in sorted(set(folder.glob("pairs_*.safetensors")) - {job.path for job in every}):
        if any(old.name.startswith(job.path.name[:13]) for job in every):  # a short last file that was rewritten
            old.unlink()
    with raise_output_errors(folder / SAMPLE_SHEET_FILE):
        write_sample_sheet(every, folder / SAMPLE_SHEET_FILE)
    record: dict[str, Any] = {"output": str(folder), "samples": how.count, "made": sum(map(len, missing))}
    reporter.result(
        record, f"{folder}: {how.count} samples in {len(every)} files, {record['made']} of them written now"
    )


def run_shard_jobs(missing: list[ShardJob], how: SynthesizeOptions) -> Iterator[ShardJob]:
    """Run the jobs, in worker processes if there are several, and yield each when it is done."""
    if how.workers == 1 or len(missing) < 2:
        yield from map(synthesize_shard, missing)
        return
    with ProcessPoolExecutor(min(how.workers, len(missing)), get_context("spawn")) as pool:
        try:
            yield from pool.map(synthesize_shard, missing)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def write_sample_sheet(every: list[ShardJob], path: Path) -> None:
    """Write a contact sheet of the first samples, all views of each side by side."""
    samples = islice((sample for job in every for sample in shards.read_shard(job.path)), SHEET_SAMPLES)
    tiles = [np.concatenate([*(s.image.permute(0, 2, 3, 1).numpy() * 255 + 0.5)], 1).astype(np.uint8) for s in samples]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(SHEET_COLUMNS, len(tiles)))
    across = min(SHEET_COLUMNS, len(tiles))
    rows = [np.concatenate(tiles[k : k + across], 1) for k in range(0, len(tiles), across)]
    _, data = cv2.imencode(".png", np.concatenate(rows)[..., ::-1])
    write_bytes_atomically(path, data.tobytes())
