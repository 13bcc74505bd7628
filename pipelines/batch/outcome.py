"""The outcome of a batch item and its JSON record beside the output."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from pipelines.batch.item import BatchItem

DONE, INPUT_FAULT, SYSTEM_FAULT = "done", "input", "system"  # an outcome's kind: success, or the cause of failure
STRIP_FRAMES, STRIP_HEIGHT = 4, 96  # of a preview strip: frames, and height in pixels


@dataclass(frozen=True)
class ItemOutcome:
    """How rendering an item ended."""

    kind: str
    reason: str = ""
    frames: int | None = None
    seconds: float | None = None
    peak_mib: float | None = None
    node: str = ""
    warnings: tuple[str, ...] = ()
    strip: bytes = b""  # JPEG of sample frames
    renderer: str = ""
    renderer_reason: str = ""  # why it is not the avatar
    face: str = "off"  # what draws the face of an avatar that turns its head


def outcome_record_path(out: Path) -> Path:
    """The path of the JSON record beside an output."""
    return out.with_name(f"{out.name}.json")


def outcome_record(item: BatchItem, outcome: ItemOutcome) -> dict[str, Any]:
    """The JSON record written beside an output."""
    about: dict[str, Any] = {"key": item.key, "task": item.task, "source": [str(path) for path in item.photos]}
    about |= {"driving": str(item.clip)} if item.clip else {}
    about |= {"clothes": {part: str(path) for part, path in item.wear.photos.items()}} if item.wear.clothes else {}
    return about | {k: v for k, v in asdict(outcome).items() if k not in ("kind", "reason", "strip")}


def read_outcome_record(out: Path) -> dict[str, Any]:
    """The record beside an output; empty if no batch wrote it."""
    try:
        about = json.loads(outcome_record_path(out).read_text())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def encode_preview_strip(pictures: Sequence[UInt8[Tensor, "C H W"]]) -> bytes:
    """Pictures of one size side by side, as a small JPEG."""
    if not pictures:
        return b""
    row = np.concatenate([picture[:3].permute(1, 2, 0).numpy() for picture in pictures], 1)
    size = (max(1, round(row.shape[1] * STRIP_HEIGHT / row.shape[0])), STRIP_HEIGHT)
    small = cv2.resize(np.ascontiguousarray(row[..., ::-1]), size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])[1])
