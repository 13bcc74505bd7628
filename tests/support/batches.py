"""Small batches to try: clips of a made-up person, a photo, and processes that some clips are bad for."""

import os
import signal
import time

import torch

from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import write
from pipelines.batch.local_workers import serve_batch_items as serve_well
from pipelines.batch.worker_job import ItemRunner
from pipelines.bench.synthetic_clips import render_swaying_body
from tests.support import DATA

PHOTO = DATA / "one_person.jpg"
SMALL = ("--source", str(PHOTO), "--size", "160", "--quality", "fast")


def clips(folder, count, frames=8, size=(160, 120)):
    """Each begins at another moment of the same motion, and has a corner of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = cat_batched(list(render_swaying_body(32 + frames, size)))
    for k in range(count):
        part = whole.data[k % 32 : k % 32 + frames].clone()
        part[:, :, :8, :8] = torch.tensor([k % 256, k // 256 * 60, 128], dtype=torch.uint8)[:, None, None]
        write(folder / f"{k:04}.mp4", iter([Frames(part, torch.arange(len(part)) / 30)]), 30)


def results(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.mp4"))}


class Suffering(ItemRunner):
    """Some clips are bad for it: their names say how."""

    def __call__(self, item):
        if "poison" in item.clip.name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in item.clip.name:
            time.sleep(3600)
        return super().__call__(item)


def serve(pipe, parent):
    import pipelines.batch.worker_job

    pipelines.batch.worker_job.ItemRunner = Suffering
    serve_well(pipe, parent)
