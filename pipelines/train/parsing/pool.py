"""Pictures and scenes on the device, loaded from files as they appear."""

from dataclasses import fields
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread

import torch
from jaxtyping import UInt8
from torch import Tensor

from motion_imitate.synthesis.photo_damage import FigureBatch, encode_figures
from motion_imitate.synthesis.store import read_people_shard, read_scene_shard

FOLDER_POLL_SECONDS = 0.05  # seconds between two listings of the folder


class ShardReader:
    """Reads the files of a folder in a thread as they appear, and deletes them."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.pinned = folder, device.startswith("cuda")
        self.ready: SimpleQueue[FigureBatch | Tensor] = SimpleQueue()
        self.ending = Event()
        self.thread = Thread(target=self.read_shards, daemon=True)
        self.thread.start()

    def read_shards(self) -> None:
        """Read until `finish_reading`."""
        while True:
            last = self.ending.is_set()
            for path in sorted(self.folder.glob("*.safetensors")):
                self.ready.put(self.read_shard(path))
                path.unlink()
            if last:
                return
            self.ending.wait(FOLDER_POLL_SECONDS)

    def read_shard(self, path: Path) -> FigureBatch | Tensor:
        """Pictures or scenes of one file."""
        if path.name.startswith("scenes"):
            return self.pin_values(read_scene_shard(path))
        figures = encode_figures(read_people_shard(path))
        return FigureBatch(*(self.pin_values(getattr(figures, f.name)) for f in fields(figures)))

    def pin_values(self, values: Tensor) -> Tensor:
        """The tensor in pinned memory if the device is a GPU."""
        return values.pin_memory() if self.pinned else values

    def finish_reading(self, seconds: float) -> None:
        """Read what is left, and stop."""
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
        """The scenes loaded so far."""
        return self.scenes[: min(self.scenes_seen, len(self.scenes))]

    def copy_ready(self, reader: ShardReader, at_most: int = 50) -> None:
        """Copy what the reader has read to the device."""
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
    """Write rows from `start` on, wrapping around. Returns where the next row goes, not wrapped."""
    first = start % len(into)
    fit = min(len(rows), len(into) - first)
    into[first : first + fit].copy_(rows[:fit], non_blocking=True)
    into[: len(rows) - fit].copy_(rows[fit:], non_blocking=True)
    return start + len(rows)
