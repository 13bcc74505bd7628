"""The training loop: lessons are made on the device from the pictures there are, until the time is up."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import asdict, replace
from math import cos, pi
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.avatar.parsing import (
    KIND_NAMES,
    LAYER_NAMES,
    ParsingInput,
    ParsingNet,
    load_imagenet_trunk,
    parsing_net_parameters,
    split_parsing_outputs,
    write_parsing_net,
)
from motion_imitate.files import write_bytes_atomically
from motion_imitate.synthesis.photo_damage import BatchRandom, ParsingSamples, PhotoDamage, make_parsing_samples
from motion_imitate.training.parsing_losses import confusion_matrix, label_ious, measure_parsing_losses
from pipelines.train.parsing.generate import StoreFolders, stop_people_workers
from pipelines.train.parsing.options import ParsingTrainOptions
from pipelines.train.parsing.pool import DevicePool, ShardReader

WEIGHTS_FILE, CHECKPOINT_FILE, LOG_FILE, SHEET_FILE, REPORT_FILE = (
    "weights.safetensors",
    "checkpoint.safetensors",
    "log.jsonl",
    "sheet.png",
    "report.json",
)
SCENE_CAPACITY = 6000
SHEET_SAMPLES = 24
LABEL_COLOURS = np.array(
    [
        (0, 0, 0),
        (230, 230, 230),
        (255, 80, 80),
        (80, 80, 255),
        (255, 180, 60),
        (60, 200, 255),
        (200, 80, 220),
        (120, 80, 40),
        (90, 220, 90),
    ],
    np.uint8,
)


class WeightAverage:
    """The mean of the weights over the last steps."""

    def __init__(self, net: ParsingNet, keep: float) -> None:
        self.net, self.keep, self.steps = deepcopy(net).eval().requires_grad_(False), keep, 0

    @torch.no_grad()
    def follow(self, net: nn.Module) -> None:
        self.steps += 1
        keep = min(self.keep, (1 + self.steps) / (10 + self.steps))
        own, new = list(self.net.state_dict().values()), list(net.state_dict().values())
        floats = [k for k, value in enumerate(own) if value.is_floating_point()]
        torch._foreach_lerp_([own[k] for k in floats], [new[k] for k in floats], 1 - keep)


class ParsingTrainer:
    """The network, its optimiser and its running mean."""

    def __init__(self, how: ParsingTrainOptions) -> None:
        self.how, self.step = how, 0
        torch.manual_seed(how.seed)
        self.net = ParsingNet()
        load_imagenet_trunk(self.net)
        if how.begin:
            self.net.load_state_dict(weights.read_weights(how.begin)[1])
        self.net.to(how.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = WeightAverage(self.net, how.mean)
        trained = [p for name, p in self.net.named_parameters() if name.startswith(("stem", "blocks"))]
        fresh = [p for name, p in self.net.named_parameters() if not name.startswith(("stem", "blocks"))]
        groups = [{"params": trained, "by": how.trunk_rate}, {"params": fresh, "by": 1.0}]
        self.optimiser = torch.optim.AdamW(groups, how.rate, (0.9, 0.99), weight_decay=how.decay)

    def learn(self, lesson: ParsingSamples, done: float) -> dict[str, Tensor]:
        """One step; `done`: the share of the time that is over."""
        how = self.how
        rate = how.rate * min(1.0, (self.step + 1) / how.warm) * (0.5 + 0.5 * cos(pi * min(done, 1))) + 1e-6
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["by"]
        self.net.train()
        seen = lesson.given.stack_channels().contiguous(memory_format=torch.channels_last)
        with autocast_on_cuda(how.device):
            out = self.net(seen)
        losses = measure_parsing_losses(split_parsing_outputs(out.float()), lesson, how.weights)
        self.optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.mean.follow(self.net)
        self.step += 1
        return losses

    def save(self, out: Path, about: dict[str, Any]) -> None:
        """The weights as they are used, and the mean of the network as it learns, to go on from."""
        said = about | {"step": self.step}
        write_parsing_net(out / WEIGHTS_FILE, deepcopy(self.mean.net), said)
        tensors = {name: shrink_to_bfloat16(value) for name, value in self.mean.net.state_dict().items()}
        weights.write_weights(out / CHECKPOINT_FILE, said, tensors)


def shrink_to_bfloat16(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return value.bfloat16() if value.is_floating_point() and value.dim() > 1 else value


def autocast_on_cuda(device: str) -> Any:
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()


def train_parsing_net(how: ParsingTrainOptions, folders: StoreFolders, workers: list[BaseProcess], end: float) -> None:
    """Learns until `end`, a reading of `time.monotonic`."""
    begin = monotonic()
    torch.set_num_threads(1)
    if how.device.startswith("cuda"):
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
    run = ParsingTrainer(how)
    pool = DevicePool(how.size, how.most, SCENE_CAPACITY, how.device)
    held = DevicePool(how.size, how.held_people * how.held_views, 200, how.device)
    readers = (ShardReader(folders.learn, how.device), ShardReader(folders.held, how.device))
    append_training_log(how.out, {"event": "begin", "parameters": parsing_net_parameters(run.net)})
    late = end - how.ending
    while (len(pool) < how.first or not len(pool.ready_scenes)) and monotonic() < late - 0.3 * (late - begin):
        pool.take_ready(readers[0])
        held.take_ready(readers[1])
        sleep(0.02)
    generator = torch.Generator(how.device).manual_seed(how.seed)
    dice = BatchRandom(generator, how.batch)
    start = saved = told = monotonic()
    append_training_log(how.out, {"event": "learn", "seconds": round(start - begin, 1), "pictures": len(pool)})
    last: dict[str, Tensor] = {}
    while monotonic() < late:
        figures = sample_figures(pool, how.batch, generator)
        last = run.learn(
            make_parsing_samples(figures, pool.ready_scenes, dice, how.damage), (monotonic() - start) / (late - start)
        )
        pool.take_ready(readers[0])
        held.take_ready(readers[1])
        now = monotonic()
        if now - told > 5:
            told = now
            sizes = {"pictures": pool.seen, "scenes": pool.scenes_seen, "held": held.seen}
            values = {k: round(float(v.detach()), 4) for k, v in last.items()}
            append_training_log(how.out, {"step": run.step, "seconds": round(now - begin, 1), **sizes, **values})
        if now - saved > 60:
            saved = now
            run.save(how.out, {"size": how.size, "complete": False})
    append_training_log(
        how.out, {"event": "learnt", "step": run.step, "samples": run.step * how.batch, "pictures": pool.seen}
    )
    run.save(how.out, {"size": how.size, "complete": True})
    stop_people_workers(workers)
    readers[1].finish(3.0)
    held.take_ready(readers[1], 10_000)
    evaluate_parsing_run(how, run, pool, held, end)


def sample_figures(pool: DevicePool, count: int, generator: torch.Generator) -> Any:
    return pool.figures.pick(torch.randint(len(pool), (count,), generator=generator, device=generator.device))


def evaluate_parsing_run(
    how: ParsingTrainOptions, run: ParsingTrainer, pool: DevicePool, held: DevicePool, end: float
) -> None:
    """Scores on held-out people, with and without a body and a matte; a sheet of some of them."""
    scenes = held.ready_scenes if len(held.ready_scenes) else pool.ready_scenes
    if not len(held) or not len(scenes):
        write_bytes_atomically(
            how.out / REPORT_FILE, (json.dumps({"step": run.step, "held": 0}, indent=1) + "\n").encode()
        )
        return
    cases = {
        "all": (how.damage, 1.0),
        "no_matte": (replace(how.damage, no_matte=1.0, no_body=0.0), 0.5),
        "no_body": (replace(how.damage, no_matte=0.0, no_body=1.0), 0.5),
        "neither": (replace(how.damage, no_matte=1.0, no_body=1.0), 0.5),
    }
    scores = {}
    lessons: list[ParsingSamples] = []
    for name, (damage, share) in cases.items():
        if monotonic() > end - 8:
            break
        found, some = score_held_out(how, run.mean.net, held, scenes, damage, share, end - 8)
        scores[name] = found
        lessons = lessons or some
    report = {
        "step": run.step,
        "samples": run.step * how.batch,
        "pictures": pool.seen,
        "held": len(held),
        "scores": scores,
        "options": json.loads(json.dumps(asdict(how), default=str)),
    }
    write_bytes_atomically(how.out / REPORT_FILE, (json.dumps(report, indent=1) + "\n").encode())
    if lessons and monotonic() < end - 3:
        write_prediction_sheet(how.out / SHEET_FILE, run.mean.net, lessons[0], how.device)


@torch.no_grad()
def score_held_out(
    how: ParsingTrainOptions,
    net: nn.Module,
    held: DevicePool,
    scenes: Tensor,
    damage: PhotoDamage,
    share: float,
    end: float,
) -> tuple[dict[str, Any], list[ParsingSamples]]:
    generator = torch.Generator(how.device).manual_seed(7)
    tables = {"layer": (LAYER_NAMES, 0), "kind": (KIND_NAMES, 0)}
    counted: dict[str, Any] = {name: 0 for name in tables}
    off, pixels, lessons, batch = 0.0, 0.0, list[ParsingSamples](), min(how.batch, 64)
    order = torch.randperm(len(held), generator=generator, device=how.device)[: max(batch, round(len(held) * share))]
    for some in order.split(batch):
        if monotonic() > end:
            break
        lesson = make_parsing_samples(held.figures.pick(some), scenes, BatchRandom(generator, len(some)), damage)
        with autocast_on_cuda(how.device):
            out = net(lesson.given.stack_channels().contiguous(memory_format=torch.channels_last))
        said = split_parsing_outputs(out.float())
        for name in tables:
            logits, true = getattr(said, name), getattr(lesson, name)
            counted[name] = counted[name] + confusion_matrix(
                logits.argmax(1).byte(), true, lesson.worth, logits.shape[1]
            )
        off += float(((said.alpha.sigmoid() - lesson.alpha).abs() * lesson.worth).sum())
        pixels += float(lesson.worth.sum())
        lessons = lessons or [lesson]
    scores: dict[str, Any] = {"alpha": round(off / max(pixels, 1), 5)}
    for name, (names, _) in tables.items():
        if isinstance(counted[name], Tensor):
            each = label_ious(counted[name].cpu(), names)
            known = [v for v in each.values() if v == v]
            scores[name] = {"mean": round(sum(known) / max(1, len(known)), 4), **each}
    return scores, lessons


@torch.no_grad()
def write_prediction_sheet(path: Path, net: nn.Module, lesson: ParsingSamples, device: str) -> None:
    """Input, body, matte, true and found layers and kinds, true and found alpha."""
    given = lesson.given
    short = ParsingInput(*(getattr(given, name)[:SHEET_SAMPLES] for name in vars(given)))
    with autocast_on_cuda(device):
        out = net(short.stack_channels().contiguous(memory_format=torch.channels_last))
    said = split_parsing_outputs(out.float())
    tiles = []
    for k in range(len(short.colour)):
        colour = (short.colour[k] * 255).byte().permute(1, 2, 0).cpu().numpy()
        code = given.code[k] * int(given.body[k])
        row: Sequence[np.ndarray] = (
            colour,
            LABEL_COLOURS[(code.cpu().numpy() % 8) + (code.cpu().numpy() > 0)],
            gray_tile(given.matte[k, 0] * given.matted[k]),
            LABEL_COLOURS[lesson.layer[k].cpu().numpy()],
            LABEL_COLOURS[said.layer[k].argmax(0).cpu().numpy()],
            LABEL_COLOURS[lesson.kind[k].cpu().numpy()],
            LABEL_COLOURS[said.kind[k].argmax(0).cpu().numpy()],
            gray_tile(said.alpha[k, 0].sigmoid()),
        )
        tiles.append(np.concatenate(row, 1))
    tiles += [np.zeros_like(tiles[0])] * (len(tiles) % 2)
    rows = [np.concatenate(tiles[k : k + 2], 1) for k in range(0, len(tiles), 2)]
    _, data = cv2.imencode(".png", np.concatenate(rows)[..., ::-1])
    write_bytes_atomically(path, data.tobytes())


def gray_tile(values: Tensor) -> np.ndarray:
    return np.repeat((values * 255).byte().cpu().numpy()[..., None], 3, 2)


def append_training_log(out: Path, what: dict[str, Any]) -> None:
    with (out / LOG_FILE).open("a") as log:
        log.write(json.dumps(what) + "\n")
