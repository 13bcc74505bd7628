"""Estimate how long a batch will take, by rendering two seconds of one video of each size."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from motion_imitate.video import VideoError, probe
from pipelines.batch.item import BatchItem
from pipelines.batch.local_workers import default_local_workers, local_worker_pool
from pipelines.batch.options import BatchOptions
from pipelines.batch.outcome import ItemOutcome
from pipelines.imitate.options import RenderOptions
from pipelines.novel_view.command import frame_count
from pipelines.novel_view.options import NovelViewOptions
from pipelines.reporter import Reporter

TRIAL_SECONDS = 2.0  # seconds of each trial clip


def forecast_batch(items: list[BatchItem], how: BatchOptions, reporter: Reporter) -> dict[str, Any]:
    """The expected seconds, frames and workers of a batch; seconds is None if no clip could be tried."""
    workers = max(1, min(how.workers or default_local_workers(), len(items)))
    sized: dict[tuple[int, int], list[tuple[BatchItem, int]]] = defaultdict(list)
    for item in items:
        if not isinstance(item.drawing, RenderOptions):
            sized[0, item.drawing.size].append((item, pictures_of(item)))
            continue
        assert item.clip is not None
        try:
            info = probe(item.clip)
        except (VideoError, OSError) as error:
            reporter.warn(f"{item.clip} will fail: {error}")
            continue
        sized[info.height, info.width].append((item, info.frames or 0))
    frames = sum(count for some in sized.values() for _, count in some)
    tried = {size: measure_clip_pace(some[0][0], how.patience) for size, some in sized.items()}
    known = [value for value in tried.values() if value]
    if not known:
        return {"seconds": None, "frames": frames, "workers": workers}
    usual, start = (sum(values) / len(known) for values in zip(*known, strict=True))
    took = sum(count / (tried[size] or (usual,))[0] for size, some in sized.items() for _, count in some)
    return {"seconds": round(start + took / workers, 1), "frames": frames, "workers": workers}


def pictures_of(item: BatchItem) -> int:
    """How many frames or pictures an item without a clip makes."""
    return frame_count(item.drawing) if isinstance(item.drawing, NovelViewOptions) else 1


def measure_clip_pace(item: BatchItem, patience: float) -> tuple[float, float] | None:
    """Frames per second of a warmed-up process, and the seconds it takes to warm up; None if the trial failed."""
    took: list[float] = []
    with TemporaryDirectory() as folder, local_worker_pool(1, 1) as pool:
        tried = replace(item, out=Path(folder) / f"tried{item.out.suffix}", motion=None, limit=TRIAL_SECONDS)
        for _ in range(2):  # the first run also starts the process and prepares the photo
            begun = monotonic()
            pool.start(tried)
            ended = pool.wait(patience)
            if not ended or not isinstance(ended[0][1], ItemOutcome) or not ended[0][1].frames:
                return None
            took.append(monotonic() - begun)
            frames = ended[0][1].frames
    return frames / took[1], max(0.0, took[0] - took[1])
