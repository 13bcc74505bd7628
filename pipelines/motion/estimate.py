"""Open an input clip as the options say; pair and record its motion."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2
import torch
from torch import Tensor

from motion_imitate.bodies import load_body
from motion_imitate.estimators.clip import ClipSettings, OpenedClip, open_clip
from motion_imitate.estimators.hmr import load_hmr
from motion_imitate.runner import StreamRunner
from motion_imitate.types import Frames, Motion, Sighting, cat_batched
from motion_imitate.video import VideoError
from pipelines.device import choose_device
from pipelines.motion.advice import follow_with_advice
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError
from pipelines.streaming.threads import THREAD_RUNNER

GPU_RUNS = 8  # of frames, whose people are detected together: their memory is 50 MB each

ItemT = TypeVar("ItemT")


def open_input_clip(
    clip: Path, estimation: EstimationOptions, warn: Callable[[str], None], running: StreamRunner = THREAD_RUNNER
) -> OpenedClip:
    """Probe a clip, check the device, and set the number of threads."""
    torch.set_num_threads(estimation.threads)
    cv2.setNumThreads(estimation.threads)
    device = choose_device(estimation.device)
    how = ClipSettings(
        estimation.quality,
        estimation.live,
        estimation.person,
        device,
        count_parallel_runs(estimation.workers, device, running),
        estimation.threads,
        check_estimator(estimation),
    )
    opened = open_clip(clip, estimation.size, how)
    follow = partial(follow_with_advice, info=opened.info, say=warn)
    return replace(opened, runner=running, warn=warn, follow=follow)


def count_parallel_runs(workers: int, device: str, running: StreamRunner) -> int:
    """The number of runs of frames in which people are detected at the same time. Threads that share a GPU fill its
    batches; processes have a network each."""
    on_gpu = torch.device(device).type == "cuda"
    return max(workers, GPU_RUNS) if on_gpu and running is THREAD_RUNNER else workers


def check_estimator(estimation: EstimationOptions) -> Path | None:
    """The weights of Human Mesh Recovery if it is the estimator; raises an error if they or their body are missing."""
    path = estimation.estimator_weights
    if estimation.estimator == "landmarks":
        if path is not None:
            raise UsageError("--estimator-weights are of --estimator hmr; add it, or leave them out")
        return None
    if path is None:
        raise UsageError(
            "--estimator hmr needs --estimator-weights FILE; none are shipped: convert your own by "
            "`motion-imitate convert hmr`, or train some by `motion-imitate train hmr`"
        )
    load_body(load_hmr(path).config.body)
    return path


def pair_with_motion(frames: Iterable[Frames], motion: Iterator[Motion]) -> Iterator[tuple[Frames, Motion]]:
    """Runs of frames, each with its motion, which arrives in pieces of other lengths."""
    held: Motion | None = None
    for run in frames:
        while held is None or len(held) < len(run):
            more = next(motion, None)
            if more is None:
                raise VideoError("the clip had more frames when it was read again; wait until it is completely written")
            held = more if held is None else cat_batched([held, more])
        yield run, held[: len(run)]
        held = held[len(run) :]
    for _ in motion:  # exhaust the motion, which may raise at its end
        raise VideoError("the clip had fewer frames when it was read again; wait until it is completely written")


def take_exactly(items: Iterator[ItemT], count: int) -> Iterator[ItemT]:
    """The next `count` items of a clip that is read again; raises VideoError if there are fewer."""
    taken = list(islice(items, count))
    if len(taken) < count:
        raise VideoError("the clip had fewer frames when it was read again; wait until it is completely written")
    return iter(taken)


def record_confidence(runs: Iterable[Motion], sure: list[Tensor]) -> Iterator[Motion]:
    """Pass the runs through and collect their confidence."""
    for run in runs:
        sure.append(run.confidence)
        yield run


def record_points(runs: Iterable[Sighting], keep: Callable[[Tensor], None]) -> Iterator[Sighting]:
    """Pass the sightings through and give their points, with visibility, to `keep`."""
    for run in runs:
        keep(torch.cat([run.points, run.visible[..., None]], -1))
        yield run
