"""A prepared person who stands still, seen from any side."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from motion_imitate.background.backdrop import Backdrop
from motion_imitate.compositing.shadow import Floor
from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.imitate import FindFloor, framed_backdrop, no_floor, photo_floor, render_motion
from motion_imitate.motion.framing import Framing, frame_motion
from motion_imitate.motion.turntable import ViewPose, change_field_of_view, orbit_rotations, pose_person, turn_person
from motion_imitate.person import Person
from motion_imitate.runner import INLINE, StreamRunner
from motion_imitate.types import Frames, Motion

VIEW_FRAMING = Framing(ahead=60.0, lost=0.0)  # looks a whole turn ahead, and cuts nothing off


def novel_view(
    person: Person,
    azimuths: Iterable[float],
    elevation: float = 0.0,
    fov: float | None = None,
    pose: ViewPose = "photo",
    backdrop: Backdrop | None = None,
    runner: StreamRunner = INLINE,
    framing: Framing | None = VIEW_FRAMING,
) -> Generator[Frames]:
    """Yield a frame of the standing person for each azimuth, over the backdrop or the background of the first photo.

    Azimuths are in degrees: 0 is the photo's view, 90 shows the person's right side, 180 the back. The camera looks
    down by `elevation` degrees; `fov` is its field of view along the longer side. The pose is the photo's, or facing
    the camera with arms held out: "a" obliquely, "t" level. Where the person would leave the picture, its window
    widens; without `framing` it stays the photo's.
    """
    standing = stand_person(person, pose, fov)
    motion = view_motion(standing, azimuths, elevation, framing=framing)
    floor: FindFloor = no_floor if backdrop else TiltedFloor(elevation)
    return render_motion(standing, motion, backdrop or framed_backdrop(standing), runner, floor)


def stand_person(person: Person, pose: ViewPose = "photo", fov: float | None = None) -> Person:
    """The person whose photo shows them in a pose, with a field of view in degrees along the longer side."""
    source = person.source
    body, camera = pose_person(person.model, source.body[:1], source.camera[:1], pose)
    camera = camera if fov is None else change_field_of_view(camera, fov)
    return replace(person, source=replace(source[:1], body=body, camera=camera))


def view_motion(
    person: Person,
    azimuths: Iterable[float],
    elevation: float = 0.0,
    rate: float = 30.0,
    framing: Framing | None = VIEW_FRAMING,
) -> Iterator[Motion]:
    """The motion of the standing person as a camera at the azimuths sees it, one frame each."""
    turned = turn_person(person.source.body, person.source.camera, azimuths, rate, elevation)
    return turned if framing is None else frame_motion(turned, person.source, person.model, framing)


@dataclass(frozen=True)
class TiltedFloor:
    """Finds the floor under a standing person, as a camera sees it that looks down on them."""

    elevation: float  # degrees

    def __call__(self, person: Person, motion: Motion) -> Floor | None:
        level = photo_floor(person, motion)
        tilt = orbit_rotations(torch.zeros(1), self.elevation)[0]
        return level and level.turn_about(person.source.camera.place[0], flip_camera_axes(flip_camera_axes(tilt).mT).mT)
