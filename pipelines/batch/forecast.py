"""How long a batch will take: two seconds of one video of each size are made, and thrown away."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from motion_imitate.video import VideoError, probe
from pipelines.batch.item import Item
from pipelines.batch.local_workers import fitting, local
from pipelines.batch.options import Batching
from pipelines.batch.outcome import Outcome
from pipelines.reporter import Talk

TRIED = 2.0  # seconds of a clip


def forecast(items: list[Item], how: Batching, talk: Talk) -> dict[str, Any]:
    """Seconds, frames and workers; seconds are None where nothing could be tried."""
    workers = max(1, min(how.workers or fitting(), len(items)))
    sized: dict[tuple[int, int], list[tuple[Item, int]]] = defaultdict(list)
    for item in items:
        try:
            info = probe(item.clip)
        except (VideoError, OSError) as error:
            talk.warn(f"{item.clip} will fail: {error}")
            continue
        sized[info.height, info.width].append((item, info.frames or 0))
    frames = sum(count for some in sized.values() for _, count in some)
    tried = {size: pace(some[0][0], how.patience) for size, some in sized.items()}
    known = [value for value in tried.values() if value]
    if not known:
        return {"seconds": None, "frames": frames, "workers": workers}
    usual, start = (sum(values) / len(known) for values in zip(*known, strict=True))
    took = sum(count / (tried[size] or (usual,))[0] for size, some in sized.items() for _, count in some)
    return {"seconds": round(start + took / workers, 1), "frames": frames, "workers": workers}


def pace(item: Item, patience: float) -> tuple[float, float] | None:
    """Frames a second of a process that has made something already, and the seconds that it takes until then."""
    took: list[float] = []
    with TemporaryDirectory() as folder, local(1, 1) as hands:
        tried = replace(item, out=Path(folder) / f"tried{item.out.suffix}", motion=None, limit=TRIED)
        for _ in range(2):  # first, the process starts and gets to know the photo
            begun = monotonic()
            hands.start(tried)
            ended = hands.wait(patience)
            if not ended or not isinstance(ended[0][1], Outcome) or not ended[0][1].frames:
                return None
            took.append(monotonic() - begun)
            frames = ended[0][1].frames
    return frames / took[1], max(0.0, took[0] - took[1])
