"""See a motion from other sides, from a camera that goes round the person, or that stops the motion to do so.

The picture's camera stays; the person and their way turn before it. A turn moves nobody: it is about the place where
the person is. A frame's result does not depend on how the stream is divided into runs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.motion.turntable import orbit_rotations
from motion_imitate.types import Motion

SAME_TIME = 1e-4  # seconds
SWEEP_RUN = 32  # frames of a sweep that come at a time


@dataclass(frozen=True)
class Freeze:
    """The motion stops while the camera goes round the person, then goes on."""

    second: float  # of the motion
    degrees: float = 360.0
    seconds: float = 3.0  # how long it stands still
    rate: float = 30.0  # frames per second that are added

    @property
    def frames(self) -> int:
        """How many frames are added."""
        return max(1, round(self.seconds * self.rate))

    @property
    def length(self) -> float:
        """Seconds that are added."""
        return self.frames / self.rate


@dataclass(frozen=True)
class ViewPath:
    """From where a motion is seen. At 0 degrees the camera is the photo's, at 90 it sees the person's right side."""

    azimuth: float = 0.0  # degrees at the start
    orbit: float = 0.0  # degrees per second
    freeze: Freeze | None = None


def turn_view(runs: Iterable[Motion], path: ViewPath) -> Iterator[Motion]:
    """The motion as seen on the path; where it stands still, frames are added and later ones are delayed."""
    if path == ViewPath():
        yield from runs
        return
    begun = last = place = None
    for run, swept in freeze_motion(runs, path.freeze):
        ways = run.camera.place.double()
        if begun is None or last is None or place is None:
            begun, last, place = run.seconds[:1], ways[:1], ways[:1]
        turn = orbit_rotations(path.azimuth + path.orbit * (run.seconds - begun).double() + swept)
        pose = torch.cat([turn[:, None].to(run.body.pose) @ run.body.pose[:, :1], run.body.pose[:, 1:]], 1)
        steps = flip_camera_axes(ways.diff(dim=0, prepend=last))
        moved = place + flip_camera_axes((turn @ steps[..., None])[..., 0]).cumsum(0)
        last, place = ways[-1:], moved[-1:]
        camera = replace(run.camera, place=moved.to(run.camera.place))
        yield replace(run, body=replace(run.body, pose=pose), camera=camera)


def freeze_motion(runs: Iterable[Motion], freeze: Freeze | None) -> Iterator[tuple[Motion, Float[Tensor, " T"]]]:
    """The motion with the frames of a freeze, and by how many degrees the camera has gone round in each frame."""
    begun: float | None = None
    done = freeze is None
    for run in runs:
        begun = float(run.seconds[0]) if begun is None and len(run) else begun
        if freeze is None or begun is None:
            yield run, torch.zeros(len(run))
            continue
        until = 0 if done else count_before(run, begun + freeze.second)
        if not done and until <= len(run) - 1:
            yield run[: until + 1], torch.zeros(until + 1)
            yield from sweep_frame(run[until : until + 1], freeze)
            done, run = True, run[until + 1 :]
        if len(run):
            later = replace(run, seconds=run.seconds + freeze.length) if done else run
            yield later, torch.full((len(run),), freeze.degrees if done else 0.0)
    if not done and freeze is not None:
        raise ValueError(
            f"the motion ends before second {freeze.second:g}, at which it is to freeze; give an earlier one"
        )


def count_before(run: Motion, second: float) -> int:
    """How many frames of a run are before a second."""
    return int((run.seconds < second - SAME_TIME).sum())


def sweep_frame(frame: Motion, freeze: Freeze) -> Iterator[tuple[Motion, Float[Tensor, " T"]]]:
    """Copies of a frame, and the degrees by which the camera has gone round: it starts and stops gently."""
    for first in range(1, freeze.frames + 1, SWEEP_RUN):
        number = torch.arange(first, min(first + SWEEP_RUN, freeze.frames + 1))
        still = frame[torch.zeros_like(number)]
        part = number / freeze.frames
        seconds = frame.seconds + (number / freeze.rate).to(frame.seconds)
        yield replace(still, seconds=seconds), freeze.degrees * part * part * (3 - 2 * part)
