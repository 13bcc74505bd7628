"""Choose what makes a training step fast: measured on the device while the first pictures are generated."""

from dataclasses import fields, replace
from math import sqrt
from pathlib import Path
from time import monotonic

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from motion_imitate.synthesis.photo_damage import BatchRandom, FigureBatch, make_parsing_samples
from pipelines.train.parsing.options import ParsingTrainOptions
from pipelines.train.parsing.trainer import ParsingTrainer

MEMORY_LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
WARM_STEPS, MEASURED_STEPS = 2, 4
PROFILED_STEPS, PROFILE_ROWS = 3, 45
PROFILE_FILE = "profile.txt"
STEP_PARTS = ("damage", "step")  # parts of a training step that are timed


def choose_training_setup(how: ParsingTrainOptions) -> tuple[ParsingTrainOptions, str, dict[str, float]]:
    """The options with a batch that fits the GPU's memory, the faster entry of MEMORY_LAYOUTS, and the milliseconds
    of a step with each."""
    if not how.device.startswith("cuda"):
        return how, "channels_last", {}
    times: dict[str, float] = {}
    while not times:
        try:
            times = {name: measure_step(how, layout) for name, layout in MEMORY_LAYOUTS.items()}
        except torch.cuda.OutOfMemoryError:
            if how.batch < 16:
                raise
            how = replace(how, batch=how.batch * 3 // 4 // 8 * 8, rate=how.rate * sqrt(0.75))
        torch.cuda.empty_cache()
    return how, min(times, key=lambda name: times[name]), times


def measure_step(how: ParsingTrainOptions, layout: torch.memory_format) -> float:
    """Milliseconds of a training step on empty pictures, damage included; the network is thrown away."""
    run = ParsingTrainer(how, layout)
    figures, scenes = make_empty_pictures(how)
    random = BatchRandom(torch.Generator(how.device).manual_seed(0), how.batch)
    for number in range(WARM_STEPS + MEASURED_STEPS):
        if number == WARM_STEPS:
            torch.cuda.synchronize()
            begin = monotonic()
        run.train_step(make_parsing_samples(figures, scenes, random, how.damage), 0.0)
    torch.cuda.synchronize()
    return round((monotonic() - begin) / MEASURED_STEPS * 1000, 1)


def make_empty_pictures(how: ParsingTrainOptions) -> tuple[FigureBatch, Tensor]:
    """A batch of pictures without a person, and two scenes."""
    shapes = {f.name: (how.batch, *((3,) if f.name == "colour" else ()), *how.size) for f in fields(FigureBatch)}
    figures = FigureBatch(**{k: torch.zeros(v, dtype=torch.uint8, device=how.device) for k, v in shapes.items()})
    return figures, torch.zeros(2, 3, *how.size, dtype=torch.uint8, device=how.device)


class StepTimer:
    """Milliseconds of the parts of a step on the GPU, from events: nothing waits until they are read."""

    def __init__(self, device: str, every: int = 20) -> None:
        self.on, self.every, self.count = device.startswith("cuda"), every, 0
        self.events: list[tuple[torch.cuda.Event, ...]] = []
        self.marks: list[torch.cuda.Event] = []

    def mark(self, first: bool = False) -> None:
        """Note this place of a step: before it, after the damage and after the weights' update."""
        self.count += first
        if not self.on or self.count % self.every:
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self.marks = [event] if first else [*self.marks, event]
        if len(self.marks) == len(STEP_PARTS) + 1:
            self.events.append(tuple(self.marks))

    def read_milliseconds(self) -> dict[str, float]:
        """Mean milliseconds of each part since the last call; waits for the GPU."""
        if not self.events:
            return {}
        torch.cuda.synchronize()
        means = {
            f"{name}_ms": round(sum(one[k].elapsed_time(one[k + 1]) for one in self.events) / len(self.events), 1)
            for k, name in enumerate(STEP_PARTS)
        }
        self.events = []
        return means


def write_step_profile(how: ParsingTrainOptions, run: ParsingTrainer, figures: FigureBatch, scenes: Tensor) -> Path:
    """Write which operators of a few training steps take long. Changes the weights."""
    random = BatchRandom(torch.Generator(how.device).manual_seed(0), len(figures.alpha))
    cuda = how.device.startswith("cuda")
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as found:
        for _ in range(PROFILED_STEPS):
            run.train_step(make_parsing_samples(figures, scenes, random, how.damage), 1.0)
        if cuda:
            torch.cuda.synchronize()
    table = found.key_averages().table(
        sort_by="self_device_time_total" if cuda else "self_cpu_time_total",
        row_limit=PROFILE_ROWS,
        max_name_column_width=90,
    )
    (how.out / PROFILE_FILE).write_text(table)
    return how.out / PROFILE_FILE
