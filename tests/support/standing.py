"""A motion file of the default body, made without looking at anything: who stands there, and turns."""

import torch

from motion_imitate import bodies
from motion_imitate.geometry.camera import default_intrinsics
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.motion import file as motion_file
from motion_imitate.types import Body, Camera, Motion


def standing(frames, size=(96, 128), rate=30.0):
    model = bodies.load_body("anny")
    pose = model.relaxed.repeat(frames, 1, 1, 1)
    turns = torch.zeros(frames, 3)
    turns[:, 1] = torch.linspace(0, 1, frames)
    pose[:, 0] = rotation_vector_to_matrix(turns)
    shape = torch.zeros(frames, model.skin.shape_dirs.shape[0])
    focal, centre = default_intrinsics(size, frames)
    camera = Camera(focal, centre, torch.tensor([0.0, 0.1, 3.0]).expand(frames, 3))
    seconds = torch.arange(frames, dtype=torch.float64) / rate
    return Motion(Body(pose, shape), camera, torch.ones(frames), seconds)


def store(path, frames, size=(96, 128), rate=30.0):
    model = bodies.load_body("anny")
    about = motion_file.MotionHeader(model.name, model.joint_names, size, rate, "standing", "a test")
    motion_file.save_motion(path, standing(frames, size, rate), about)
    return path
