"""Score the parsing network on held-out people and write the report of a run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from time import monotonic
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.avatar.parsing_net import KIND_NAMES, LAYER_NAMES, ParsingInput, ParsingNet, split_parsing_outputs
from motion_imitate.files import write_bytes_atomically
from motion_imitate.synthesis.photo_damage import BatchRandom, ParsingSamples, PhotoDamage, make_parsing_samples
from motion_imitate.training.parsing_losses import confusion_matrix, label_ious
from pipelines.train.parsing.options import ParsingTrainOptions
from pipelines.train.parsing.pool import DevicePool
from pipelines.train.parsing.trainer import ParsingTrainer, autocast_on_cuda

REPORT_FILE, SHEET_FILE = "report.json", "sheet.png"
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


def evaluate_parsing_run(
    how: ParsingTrainOptions, run: ParsingTrainer, pool: DevicePool, held: DevicePool, end: float
) -> None:
    """Write scores on held-out people, with and without body and matte and of the checkpoint the run began with, and a
    sheet of predictions."""
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
    batches: list[ParsingSamples] = []
    for name, (damage, share) in cases.items():
        if monotonic() > end - 8:
            break
        found, some = score_held_out(how, run.mean.net, held, scenes, damage, share, end - 8)
        scores[name] = found
        batches = batches or some
    if how.begin and monotonic() < end - 8:
        before = ParsingNet()
        before.load_state_dict(weights.read_weights(how.begin)[1])
        before.to(how.device).eval()
        scores["begin"] = score_held_out(how, before, held, scenes, how.damage, 1.0, end - 8)[0]
    report = {
        "step": run.step,
        "samples": run.step * how.batch,
        "pictures": pool.seen,
        "held": len(held),
        "scores": scores,
        "options": json.loads(json.dumps(asdict(how), default=str)),
    }
    write_bytes_atomically(how.out / REPORT_FILE, (json.dumps(report, indent=1) + "\n").encode())
    if batches and monotonic() < end - 3:
        write_prediction_sheet(how.out / SHEET_FILE, run.mean.net, batches[0], how.device)


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
    """Alpha error and IoU per label under a kind of damage; and the batches for the sheet."""
    generator = torch.Generator(how.device).manual_seed(7)
    tables = {"layer": (LAYER_NAMES, 0), "kind": (KIND_NAMES, 0)}
    counted: dict[str, Any] = {name: 0 for name in tables}
    off, pixels, batches, batch = 0.0, 0.0, list[ParsingSamples](), min(how.batch, 64)
    order = torch.randperm(len(held), generator=generator, device=how.device)[: max(batch, round(len(held) * share))]
    for some in order.split(batch):
        if monotonic() > end:
            break
        samples = make_parsing_samples(held.figures.select(some), scenes, BatchRandom(generator, len(some)), damage)
        with autocast_on_cuda(how.device):
            out = net(samples.inputs.stack_channels().contiguous(memory_format=torch.channels_last))
        logits = split_parsing_outputs(out.float())
        for name in tables:
            predicted, true = getattr(logits, name), getattr(samples, name)
            counted[name] = counted[name] + confusion_matrix(
                predicted.argmax(1).byte(), true, samples.valid, predicted.shape[1]
            )
        off += float(((logits.alpha.sigmoid() - samples.alpha).abs() * samples.valid).sum())
        pixels += float(samples.valid.sum())
        batches = batches or [samples]
    scores: dict[str, Any] = {"alpha": round(off / max(pixels, 1), 5)}
    for name, (names, _) in tables.items():
        if isinstance(counted[name], Tensor):
            each = label_ious(counted[name].cpu(), names)
            known = [v for v in each.values() if v == v]
            scores[name] = {"mean": round(sum(known) / max(1, len(known)), 4), **each}
    return scores, batches


@torch.no_grad()
def write_prediction_sheet(path: Path, net: nn.Module, samples: ParsingSamples, device: str) -> None:
    """Write an image: input, body, matte, true and predicted layers and kinds, predicted alpha."""
    inputs = samples.inputs
    short = ParsingInput(*(getattr(inputs, name)[:SHEET_SAMPLES] for name in vars(inputs)))
    with autocast_on_cuda(device):
        out = net(short.stack_channels().contiguous(memory_format=torch.channels_last))
    logits = split_parsing_outputs(out.float())
    tiles = []
    for k in range(len(short.colour)):
        colour = (short.colour[k] * 255).byte().permute(1, 2, 0).cpu().numpy()
        code = inputs.body_code[k] * int(inputs.has_body[k])
        row: Sequence[np.ndarray] = (
            colour,
            LABEL_COLOURS[(code.cpu().numpy() % 8) + (code.cpu().numpy() > 0)],
            gray_tile(inputs.matte[k, 0] * inputs.has_matte[k]),
            LABEL_COLOURS[samples.layer[k].cpu().numpy()],
            LABEL_COLOURS[logits.layer[k].argmax(0).cpu().numpy()],
            LABEL_COLOURS[samples.kind[k].cpu().numpy()],
            LABEL_COLOURS[logits.kind[k].argmax(0).cpu().numpy()],
            gray_tile(logits.alpha[k, 0].sigmoid()),
        )
        tiles.append(np.concatenate(row, 1))
    tiles += [np.zeros_like(tiles[0])] * (len(tiles) % 2)
    rows = [np.concatenate(tiles[k : k + 2], 1) for k in range(0, len(tiles), 2)]
    _, data = cv2.imencode(".png", np.concatenate(rows)[..., ::-1])
    write_bytes_atomically(path, data.tobytes())


def gray_tile(values: Tensor) -> np.ndarray:
    """A map in [0, 1] as an RGB image."""
    return np.repeat((values * 255).byte().cpu().numpy()[..., None], 3, 2)
