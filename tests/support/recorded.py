"""Motion clips written by hand, in DeepMimic's text format."""

import json
from math import cos, sin

from motion_imitate.synthesis.mocap import HINGE_COLUMNS, QUATERNION_COLUMNS

ROW = 44  # numbers of a frame: its duration, the root's place, and the joints' turns


def about(axis, angle):
    """The quaternion, w first, of a turn about one of the record's axes: 0 ahead, 1 up, 2 to the right."""
    return [cos(angle / 2), *(sin(angle / 2) * (axis == n) for n in range(3))]


def frame(lasts=0.1, **turns):
    row = [0.0] * ROW
    row[0] = lasts
    for name, start in QUATERNION_COLUMNS.items():
        row[start : start + 4] = turns.get(name, [1.0, 0, 0, 0])
    for name, start in HINGE_COLUMNS.items():
        row[start] = turns.get(name, 0.0)
    return row


def write(path, rows):
    path.write_text(json.dumps({"Loop": "wrap", "Frames": rows}))
    return path
