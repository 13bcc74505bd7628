"""Sample files: a few dozen samples each, with bytes that depend only on the samples."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motion_imitate import weights
from motion_imitate.synthesis.pairs import SyntheticSample
from motion_imitate.types import Body, Camera

BYTE_FIELDS = ("image", "matte", "background", "shadow", "visible", "uv")  # in [0, 1], stored as uint8
FLOW_STEPS = 16383  # int16 steps per image point of flow
FLOAT_FIELDS = ("points", "points_seen", "face", "face_turned")
MAX_FLOW = 1.99  # flow beyond this is clamped


def pack_samples(samples: Sequence[SyntheticSample]) -> dict[str, Tensor]:
    """Stacked tensors of the samples, quantized for storage."""
    rows: dict[str, list[Tensor]] = {}
    for sample in samples:
        row = {name: (getattr(sample, name) * 255 + 0.5).to(torch.uint8) for name in BYTE_FIELDS}
        row |= {name: getattr(sample, name) for name in FLOAT_FIELDS}
        row["flow"] = (sample.flow.clamp(-2, MAX_FLOW) * FLOW_STEPS).round().to(torch.int16)
        row["part"] = sample.part.to(torch.uint8)
        for seen in ("", "seen_"):
            body, camera = getattr(sample, f"{seen}body"), getattr(sample, f"{seen}camera")
            row |= {f"{seen}pose": body.pose, f"{seen}shape": body.shape}
            row |= {f"{seen}{name}": getattr(camera, name) for name in ("focal", "centre", "place")}
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    return {name: torch.stack(values) for name, values in rows.items()}


def unpack_samples(tensors: dict[str, Tensor]) -> Iterator[SyntheticSample]:
    """The samples of a shard's tensors."""
    for k in range(len(tensors["image"])):
        row = {name: tensor[k] for name, tensor in tensors.items()}
        fields: dict[str, Any] = {name: row[name].float() / 255 for name in BYTE_FIELDS}
        fields |= {name: row[name] for name in FLOAT_FIELDS}
        for seen in ("", "seen_"):
            fields[f"{seen}body"] = Body(row[f"{seen}pose"], row[f"{seen}shape"])
            fields[f"{seen}camera"] = Camera(*(row[f"{seen}{name}"] for name in ("focal", "centre", "place")))
        yield SyntheticSample(flow=row["flow"].float() / FLOW_STEPS, part=row["part"].long(), **fields)


def write_shard(path: Path, samples: Sequence[SyntheticSample], about: dict[str, Any]) -> None:
    """Write a shard atomically, with `about` in its metadata."""
    weights.write_weights(path, {"made": about}, pack_samples(samples))


def read_shard(path: Path) -> Iterator[SyntheticSample]:
    """The samples of a shard."""
    yield from unpack_samples(weights.read_weights(path)[1])
