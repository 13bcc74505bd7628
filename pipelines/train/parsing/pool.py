"""Pictures and scenes on the device, taken from shards as they appear."""

from dataclasses import fields
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread

import torch
from jaxtyping import UInt8
from torch import Tensor

from motion_imitate.synthesis.photo_damage import FigureBatch, encode_figures
from motion_imitate.synthesis.store import read_people_shard, read_scene_shard

FOLDER_POLL_SECONDS = 0.05  # seconds between two looks at the folder


class ShardReader:
    """Reads the shards of a folder, in a thread, as they appear, and removes them."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.pinned = folder, device.startswith("cuda")
        self.ready: SimpleQueue[FigureBatch | Tensor] = SimpleQueue()
        self.ending = Event()
        self.thread = Thread(target=self.read_all, daemon=True)
        self.thread.start()

    def read_all(self) -> None:
        while True:
            last = self.ending.is_set()
            for path in sorted(self.folder.glob("*.safetensors")):
                self.ready.put(self.read_one(path))
                path.unlink()
            if last:
                return
            self.ending.wait(FOLDER_POLL_SECONDS)

    def read_one(self, path: Path) -> FigureBatch | Tensor:
        if path.name.startswith("scenes"):
            return self.pin(read_scene_shard(path))
        figures = encode_figures(read_people_shard(path))
        return FigureBatch(*(self.pin(getattr(figures, f.name)) for f in fields(figures)))

    def pin(self, values: Tensor) -> Tensor:
        return values.pin_memory() if self.pinned else values

    def finish(self, seconds: float) -> None:
        """Reads what is there, and ends."""
        self.ending.set()
        self.thread.join(seconds)


class DevicePool:
    """Fixed memory on the device; when it is full, the oldest pictures are replaced."""

    def __init__(self, size: tuple[int, int], most: int, scenes: int, device: str) -> None:
        shapes = {f.name: (most, *((3,) if f.name == "colour" else ()), *size) for f in fields(FigureBatch)}
        self.figures = FigureBatch(**{k: torch.zeros(v, dtype=torch.uint8, device=device) for k, v in shapes.items()})
        self.scenes = torch.zeros(scenes, 3, *size, dtype=torch.uint8, device=device)
        self.most, self.seen, self.scenes_seen = most, 0, 0

    def __len__(self) -> int:
        return min(self.seen, self.most)

    @property
    def ready_scenes(self) -> UInt8[Tensor, "S 3 H W"]:
        return self.scenes[: min(self.scenes_seen, len(self.scenes))]

    def take_ready(self, reader: ShardReader, at_most: int = 50) -> None:
        """Copies what the reader has read to the device."""
        for _ in range(at_most):
            try:
                one = reader.ready.get_nowait()
            except Empty:
                return
            if isinstance(one, Tensor):
                self.scenes_seen = write_rows_cyclic(self.scenes, one, self.scenes_seen)
                continue
            for f in fields(FigureBatch):
                end = write_rows_cyclic(getattr(self.figures, f.name), getattr(one, f.name), self.seen)
            self.seen = end


def write_rows_cyclic(into: Tensor, rows: Tensor, start: int) -> int:
    """Writes rows from `start` on, round the end; where the next would go, not taken round."""
    first = start % len(into)
    fit = min(len(rows), len(into) - first)
    into[first : first + fit].copy_(rows[:fit], non_blocking=True)
    into[: len(rows) - fit].copy_(rows[fit:], non_blocking=True)
    return start + len(rows)
