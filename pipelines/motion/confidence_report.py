"""Report how confident the estimates of a clip are."""

from pathlib import Path

import torch
from torch import Tensor

from motion_imitate.renderer_chain import RendererChoice
from pipelines.reporter import Reporter

DURATION_TOLERANCE = 0.1  # seconds by which a motion's length may differ from its clip's without a warning


def report_confidence(
    out: Path,
    confidence: list[Tensor],
    seconds: float,
    reporter: Reporter,
    choice: RendererChoice | None = None,
) -> None:
    """Print a result with its frames, speed, confidence and renderer; warn if the person was out of sight."""
    sure = torch.cat(confidence)
    frames, seen = len(sure), float((sure > 0).float().mean())
    if seen < 1:
        reporter.warn(
            f"the person is out of sight in {1 - seen:.0%} of the frames; the pose is interpolated or held there"
        )
    record = {
        "output": str(out),
        "frames": frames,
        "seen": round(seen, 4),
        "confidence": round(float(sure.mean()), 4),
        "seconds": round(seconds, 2),
        "frames_per_second": round(frames / seconds, 2),
    }
    text = f"{out}: {frames} frames, {record['frames_per_second']} frames/s, mean confidence {record['confidence']}"
    if choice is not None:
        record |= {"renderer": choice.renderer, "renderer_reason": choice.sentence, "face": choice.face}
        text += f", drawn by {choice.tools}"
    reporter.result(record, text)
