"""SMPL, for those who have a licence for it: `motion-imitate convert smpl FILE` makes our file of theirs."""

import os
from pathlib import Path

from motion_imitate.bodies.skinning import Skinned
from motion_imitate.bodies.stored import load as load_file
from motion_imitate.weights import MissingWeights

FILE = "smpl.safetensors"


def home() -> Path:
    """Where a user's own files are kept."""
    return Path(os.environ.get("MOTION_IMITATE_HOME") or Path.home() / ".local/share/motion-imitate")


def load() -> Skinned:
    path = home() / FILE
    if not path.exists():
        raise MissingWeights(
            f"no SMPL body at {path}; get SMPL_NEUTRAL.pkl from https://smpl.is.tue.mpg.de (a licence is asked for), "
            "then run `motion-imitate convert smpl SMPL_NEUTRAL.pkl`"
        )
    return load_file(path)
