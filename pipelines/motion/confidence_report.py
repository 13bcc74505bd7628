"""Report how confident the estimates of a clip are."""

from pathlib import Path

import torch
from torch import Tensor

from pipelines.reporter import Talk

SLACK = 0.1  # seconds that a motion may be longer or shorter than the clip it is drawn over, without a word


def report(out: Path, confidence: list[Tensor], seconds: float, talk: Talk) -> None:
    sure = torch.cat(confidence)
    frames, seen = len(sure), float((sure > 0).float().mean())
    if seen < 1:
        talk.warn(f"the person is out of sight in {1 - seen:.0%} of the frames; there the pose is bridged or held")
    record = {
        "output": str(out),
        "frames": frames,
        "seen": round(seen, 4),
        "confidence": round(float(sure.mean()), 4),
        "seconds": round(seconds, 2),
        "frames_per_second": round(frames / seconds, 2),
    }
    text = f"{out}: {frames} frames, {record['frames_per_second']} a second, mean confidence {record['confidence']}"
    talk.result(record, text)
