"""A backdrop that stands still while the motion does."""

from dataclasses import replace

import torch

from motion_imitate.background.backdrop import Backdrop
from motion_imitate.motion.view_path import SAME_TIME, Freeze


def freeze_backdrop(backdrop: Backdrop, freeze: Freeze) -> Backdrop:
    """For a motion with a freeze, a backdrop of the motion without it."""
    shown = hold_while_frozen(backdrop, freeze)
    next(shown)
    return shown


def hold_while_frozen(backdrop: Backdrop, freeze: Freeze) -> Backdrop:
    """The generator behind `freeze_backdrop`."""
    motion = yield torch.empty(0, 3, 1, 1, dtype=torch.uint8)
    begin, last = float(motion.seconds[0]), torch.empty(0)
    stopped: float | None = None  # when the motion stops
    while True:
        late = motion.seconds - begin >= freeze.second - SAME_TIME
        if stopped is None and bool(late.any()):
            stopped = float(motion.seconds[late][0])
        since = motion.seconds - (torch.inf if stopped is None else stopped)
        frozen = (since > SAME_TIME) & (since < freeze.length + SAME_TIME)
        moving = ~frozen
        shift = freeze.length * (since >= freeze.length + SAME_TIME)
        pictures = [last[None]] if len(last) else []
        if bool(moving.any()):
            pictures.append(backdrop.send(replace(motion, seconds=motion.seconds - shift)[moving]))
        shown = torch.cat(pictures)
        number = moving.cumsum(0) - (0 if len(last) else 1)
        last = shown[-1]
        motion = yield shown[number]
