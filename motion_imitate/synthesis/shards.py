"""Samples on disk: a few dozen in a file, whose bytes depend on the samples alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motion_imitate import weights
from motion_imitate.synthesis.pairs import Sample
from motion_imitate.types import Body, Camera

BYTES = ("image", "matte", "background", "shadow", "visible", "uv")  # in [0, 1], kept as uint8
FINE = 16383  # steps of 1 in image points of the flow, kept as int16
NUMBERS = ("points", "points_seen", "face", "face_turned")
FARTHEST = 1.99  # image points beyond are as good as


def packed(samples: Sequence[Sample]) -> dict[str, Tensor]:
    rows: dict[str, list[Tensor]] = {}
    for sample in samples:
        row = {name: (getattr(sample, name) * 255 + 0.5).to(torch.uint8) for name in BYTES}
        row |= {name: getattr(sample, name) for name in NUMBERS}
        row["flow"] = (sample.flow.clamp(-2, FARTHEST) * FINE).round().to(torch.int16)
        row["part"] = sample.part.to(torch.uint8)
        for seen in ("", "seen_"):
            body, camera = getattr(sample, f"{seen}body"), getattr(sample, f"{seen}camera")
            row |= {f"{seen}pose": body.pose, f"{seen}shape": body.shape}
            row |= {f"{seen}{name}": getattr(camera, name) for name in ("focal", "centre", "place")}
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return {name: torch.stack(values) for name, values in rows.items()}


def unpacked(tensors: dict[str, Tensor]) -> Iterator[Sample]:
    for k in range(len(tensors["image"])):
        row = {name: tensor[k] for name, tensor in tensors.items()}
        fields: dict[str, Any] = {name: row[name].float() / 255 for name in BYTES}
        fields |= {name: row[name] for name in NUMBERS}
        for seen in ("", "seen_"):
            fields[f"{seen}body"] = Body(row[f"{seen}pose"], row[f"{seen}shape"])
            fields[f"{seen}camera"] = Camera(*(row[f"{seen}{name}"] for name in ("focal", "centre", "place")))
        yield Sample(flow=row["flow"].float() / FINE, part=row["part"].long(), **fields)


def write(path: Path, samples: Sequence[Sample], about: dict[str, Any]) -> None:
    """Whole or not at all."""
    weights.write(path, {"made": about}, packed(samples))


def read(path: Path) -> Iterator[Sample]:
    yield from unpacked(weights.read(path)[1])
