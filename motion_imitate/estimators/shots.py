"""Find the cuts of a clip in its frames, and number its shots."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from motion_imitate.estimators.roi import frame_to_rgb
from motion_imitate.types import Frames

SKETCH_SIDE = 48  # pixels
SKETCH_SAMPLES = 4  # pixels of a frame along a pixel of its sketch: all would take several times as long
SKETCH_BLUR = 15  # pixels of a sketch over which its local mean is taken
FLAT_VARIANCE = 1e-4  # of a sketch without structure

Sketch = Float[ndarray, "S S 3"]


@dataclass(frozen=True)
class CutThresholds:
    """When the difference between two frames is a cut: it must stand out from those before and after it, as neither
    fast motion nor a flash does."""

    level: float = 0.5  # 0: the same structure, 1: unrelated
    ratio: float = 4.0  # to the larger of the two neighbouring differences
    sure_level: float = 0.7  # of a cut into or out of fast motion
    sure_ratio: float = 2.0
    still: float = 1e-3  # a smaller difference is that of a repeated frame
    repeats: int = 4  # most frames that are looked back over because they are repeated


def mark_shots(runs: Iterable[Frames], how: CutThresholds = CutThresholds()) -> Iterator[Frames]:
    """Number the shots of a clip. A run comes out when the frame after it is known."""
    waiting, numbers, shot = deque[Frames](), list[int](), 0
    for cut in find_cuts(frame_differences(runs, waiting), how):
        shot += cut
        numbers.append(shot)
        if len(numbers) == len(waiting[0]):
            yield replace(waiting.popleft(), shot=torch.tensor(numbers))
            numbers = []


def frame_differences(runs: Iterable[Frames], waiting: deque[Frames]) -> Iterator[float]:
    """How much each frame differs from the one before it; the runs that they are taken from are put in `waiting`."""
    before: Sketch | None = None
    for run in runs:
        waiting.append(run)
        for picture in run.data:
            now = sketch_frame(frame_to_rgb(picture))
            yield 0.0 if before is None else sketch_difference(before, now)
            before = now


def find_cuts(differences: Iterator[float], how: CutThresholds) -> Iterator[bool]:
    """Whether a new shot starts at each frame. Knows the difference of one more frame."""
    recent, now = deque[float](maxlen=how.repeats), next(differences, None)
    while now is not None:
        after = next(differences, None)
        before = next((one for one in reversed(recent) if one > how.still), 0.0)
        most = max(before, after or 0.0)
        yield (now > how.level and now > how.ratio * most) or (now > how.sure_level and now > how.sure_ratio * most)
        recent.append(now)
        now = after


def sketch_frame(picture: UInt8[ndarray, "H W 3"]) -> Sketch:
    """The structure of a picture: small, without its local mean, so that light counts little."""
    step = max(1, min(picture.shape[:2]) // (SKETCH_SAMPLES * SKETCH_SIDE))
    some = np.ascontiguousarray(picture[::step, ::step])
    small = cv2.resize(some, (SKETCH_SIDE, SKETCH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(small - cv2.blur(small, (SKETCH_BLUR, SKETCH_BLUR)))


def sketch_difference(one: Sketch, other: Sketch) -> float:
    """0 for the same structure, however bright; 1 for unrelated ones, or if one picture is flat."""
    variances = float(np.square(one).mean()), float(np.square(other).mean())
    if max(variances) < FLAT_VARIANCE:
        return 0.0
    scale = max((variances[0] * variances[1]) ** 0.5, max(variances) / 4)
    return 1 - float((one * other).mean()) / scale
