"""Landmarks of the bodies that Human Mesh Recovery regresses, in camera axes; gradients reach the guess."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from motion_imitate.bodies.skinning import SkinnedBody, posed_keypoints
from motion_imitate.estimators.hmr import HmrGuess
from motion_imitate.estimators.rig import BENDS, PoseState, Rig
from motion_imitate.geometry.camera import flip_camera_axes
from motion_imitate.geometry.rotations import matrix_to_rotation_vector
from motion_imitate.types import Body

SMPL_PELVIS = (-0.0018, -0.2233, 0.0282)  # metres; published cameras are relative to SMPL's origin, our points to this


class HmrBodies:
    """Places the landmarks of a body model's guesses. Holds no state."""

    def __init__(self, model: SkinnedBody) -> None:
        self.model, self.rig = model, Rig(model)  # type: ignore[arg-type]
        self.points = self.rig.points(model.keypoints("blazepose33"), model.keypoint_offsets)
        self.origin = torch.tensor(SMPL_PELVIS if model.name == "smpl" else (0.0, 0.0, 0.0))

    def landmarks(self, guess: HmrGuess) -> Float[Tensor, "B 33 3"]:
        """The 33 landmarks in metres, from the origin that the guess's camera sees the body from."""
        if regresses_bends(guess):
            at = self.rig.place(self.points, bent_state(guess), self.padded_shape(guess.shape))
        else:
            at = flip_camera_axes(posed_keypoints(self.model, self.body(guess), "blazepose33"))
        return at + self.origin.to(at)

    def body(self, guess: HmrGuess) -> Body:
        """The guess in the model's own parameters."""
        shape = self.padded_shape(guess.shape)
        if regresses_bends(guess):
            return self.rig.body(bent_state(guess), shape)
        root = flip_camera_axes(guess.turns[:, :1].mT).mT
        return Body(torch.cat([root, guess.turns[:, 1:]], 1), shape)

    def padded_shape(self, shape: Float[Tensor, "B s"]) -> Float[Tensor, "B S"]:
        """All shape numbers of the model; those that are not regressed are 0."""
        return pad(shape, (0, len(self.model.skin.shape_dirs) - shape.shape[1]))

    def bend_turns(self, body: Body) -> Float[Tensor, "B C 3 3"]:
        """The root's rotation in camera axes and those of the bends, each over all its joints: what is regressed."""
        turns = [flip_camera_axes(body.pose[:, 0].mT).mT]
        for name in BENDS:
            first, *others = self.model.controls[name]
            whole = body.pose[:, first]
            for joint in others:
                whole = whole @ body.pose[:, joint]
            turns.append(whole)
        return torch.stack(turns, 1)


def regresses_bends(guess: HmrGuess) -> bool:
    """Whether the rotations are of the bends of `rig.BENDS`, not of the model's joints."""
    return guess.turns.shape[1] == 1 + len(BENDS)


def bent_state(guess: HmrGuess) -> PoseState:
    """The guess as the fit's pose, at the camera's place."""
    here = guess.turns.new_zeros(len(guess), 3)
    return PoseState(here, guess.turns[:, 0], matrix_to_rotation_vector(guess.turns[:, 1:]))
