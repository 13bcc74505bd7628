"""Motions of a person who stands still and is seen from several sides."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from math import cos, radians, sin, tan
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import local_to_global
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.motion.feet import FOOT_SIDES, build_foot_skeleton, sole_points
from motion_imitate.motion.leg_ik import shortest_rotation
from motion_imitate.types import Body, BodyModel, Camera, Motion

ViewPose = Literal["photo", "a", "t"]
ARM_ANGLES: dict[str, float] = {"a": 45.0, "t": 0.0}  # degrees of the arms below the horizontal


def turn_person(
    body: Body, camera: Camera, azimuths: Iterable[float], rate: float = 30.0, elevation: float = 0.0, run: int = 32
) -> Iterator[Motion]:
    """A body in its pose, a frame per azimuth in degrees, seen from `elevation` degrees above, in runs of frames.

    0 is the view of the camera; at 90 it sees the person's right side. The camera stays where it is in the picture;
    the body turns before it, about its root.
    """
    coming, done = iter(azimuths), 0
    while some := list(islice(coming, run)):
        turn = orbit_rotations(torch.tensor(some, dtype=torch.float32), elevation)
        count = len(some)
        pose = body.pose[:1].expand(count, -1, -1, -1)
        pose = torch.cat([turn[:, None] @ pose[:, :1], pose[:, 1:]], 1)
        still = camera[:1].map(lambda values: values.expand(count, *values.shape[1:]))  # noqa: B023
        seconds = torch.arange(done, done + count, dtype=torch.float32) / rate
        yield Motion(Body(pose, body.shape[:1].expand(count, -1)), still, torch.ones(count), seconds)
        done += count


def orbit_rotations(azimuth: Float[Tensor, " T"], elevation: float = 0.0) -> Float[Tensor, "T 3 3"]:
    """Rotations in body space, where y is up, that show a body as a camera at these angles in degrees sees it."""
    about_y = torch.zeros(len(azimuth), 3, dtype=azimuth.dtype)
    about_y[:, 1] = torch.deg2rad(azimuth.remainder(360))
    tilt = rotation_vector_to_matrix(azimuth.new_tensor([[radians(elevation), 0.0, 0.0]]))
    return tilt @ rotation_vector_to_matrix(about_y)


def change_field_of_view(camera: Camera, fov: float) -> Camera:
    """The camera with a field of view of `fov` degrees along the longer side, from where the person is as large."""
    scale = 1 / tan(radians(fov / 2)) / camera.focal.amin(1, keepdim=True)
    away = torch.cat([torch.ones_like(scale), torch.ones_like(scale), scale], 1)
    return replace(camera, focal=camera.focal * scale, place=camera.place * away)


def pose_person(model: BodyModel, body: Body, camera: Camera, pose: ViewPose) -> tuple[Body, Camera]:
    """The body in the photo's pose, or facing the camera on the same ground with its arms held out."""
    if pose == "photo":
        return body, camera
    straight = stand_straight(model, body, ARM_ANGLES[pose])
    legs = build_foot_skeleton(model)
    low, new_low = (sole_points(legs, each)[..., 1].amin(1) for each in (body, straight))
    rise = torch.zeros_like(camera.place)
    rise[:, 1] = (new_low - low).to(rise)  # y points down
    return straight, replace(camera, place=camera.place + rise)


def stand_straight(model: BodyModel, body: Body, arms: float) -> Body:
    """The body upright with straight arms, `arms` degrees below the horizontal, and its feet as flat as they are."""
    parents, controls = model.skin.parents, model.controls
    joints = model.skin.joints + torch.einsum("bs,sji->bji", body.shape, model.skin.joint_dirs)
    turns, pose = local_to_global(body.pose, parents), model.relaxed.to(body.pose).repeat(len(joints), 1, 1, 1)
    heading = torch.rad2deg(torch.atan2(turns[:, 0, 0, 2], turns[:, 0, 2, 2]))
    for side, sign in zip(FOOT_SIDES, (1.0, -1.0), strict=True):
        out = joints.new_tensor([sign * cos(radians(arms)), -sin(radians(arms)), 0.0])
        down = joints.new_tensor([0.0, -1.0, 0.0])
        for limb, goal in ((("shoulder", "elbow", "wrist"), out), (("hip", "knee", "ankle"), down)):
            first, second, end = (controls[f"{bend}_{side}"][0] for bend in limb)
            goals = goal.expand(len(joints), -1)
            upper = shortest_rotation(joints[:, second] - joints[:, first], goals)
            lower = shortest_rotation(joints[:, end] - joints[:, second], goals)
            pose[:, first], pose[:, second] = upper, upper.mT @ lower
        pose[:, end] = lower.mT @ orbit_rotations(-heading) @ turns[:, end]
    return replace(body, pose=pose)
