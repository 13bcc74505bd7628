"""The outcome of a batch item and its record on disk."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from pipelines.batch.item import Item

DONE, INPUT, SYSTEM = "done", "input", "system"  # what came of it: else, whose fault it was
PICTURES, HIGH = 4, 96  # of a strip, and their pixels


@dataclass(frozen=True)
class Outcome:
    kind: str
    reason: str = ""
    frames: int | None = None
    seconds: float | None = None
    peak_mib: float | None = None
    node: str = ""
    warnings: tuple[str, ...] = ()
    strip: bytes = b""  # a JPEG of some frames


def beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.json")


def record(item: Item, outcome: Outcome) -> dict[str, Any]:
    """What is told beside a result."""
    about = {"key": item.key, "source": [str(path) for path in item.photos], "driving": str(item.clip)}
    return about | {k: v for k, v in asdict(outcome).items() if k not in ("kind", "reason", "strip")}


def told(out: Path) -> dict[str, Any]:
    """What is told beside a result; nothing if that was not made by a batch."""
    try:
        about = json.loads(beside(out).read_text())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def strip(pictures: Sequence[UInt8[Tensor, "C H W"]]) -> bytes:
    """Pictures of one size beside each other, as a small JPEG."""
    if not pictures:
        return b""
    row = np.concatenate([picture[:3].permute(1, 2, 0).numpy() for picture in pictures], 1)
    size = (max(1, round(row.shape[1] * HIGH / row.shape[0])), HIGH)
    small = cv2.resize(np.ascontiguousarray(row[..., ::-1]), size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])[1])
