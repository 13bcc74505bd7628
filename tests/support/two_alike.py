"""A clip of the demo's person beside themselves."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch

from motion_imitate.estimators.clip import OpenedClip, open_clip
from motion_imitate.video import read, write
from motion_imitate.weights import find_asset

TWO_ALIKE_RATE = 24


def film_two_alike(path: Path) -> OpenedClip:
    """Write and open the clip; both people are equally large and move alike."""
    one = next(iter(read(find_asset("demo/clip.mp4"), TWO_ALIKE_RATE)))
    write(path, [replace(one, data=torch.cat([one.data, one.data], 3))], Fraction(TWO_ALIKE_RATE))
    return open_clip(path)
