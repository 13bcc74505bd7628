"""What will look wrong of a photo's person once they move, one sentence each."""

import math

import numpy as np

from motion_imitate.avatar.body_surface import ARM_LIMBS, SIDES, PhotoBody
from motion_imitate.avatar.photo_layers import ARM_LAYERS, PhotoLayers

MOST_TURN = 35.0  # degrees that the shoulders may be turned from the camera
SITTING_ANGLE = 50.0  # degrees of both thighs from the trunk's axis
LEAST_ARM = 0.4  # of the pixels that the body's arm has, that must be seen of the arm
LEAST_ARM_PIXELS = 200  # of the body's arm; smaller ones are outside the photo


def find_photo_faults(layers: PhotoLayers, body: PhotoBody, alone: bool = True) -> tuple[str, ...]:
    """The faults that can be known beforehand. `alone`: no other photo shows what this one does not."""
    faults = []
    turn = shoulder_turn(body)
    if alone and turn > MOST_TURN:
        faults.append(
            f"the person is turned {turn:.0f} degrees away from the camera, so the far side of face and body will be"
            " blurred; give a photo from the front for a better result"
        )
    if thighs_are_raised(body):
        faults.append("the person sits or crouches, so their legs will look torn when they stand")
    surface = body.limbs_of(body.whole_surface)
    for layer, side in zip(ARM_LAYERS, SIDES, strict=True):
        expected = np.isin(surface, ARM_LIMBS[side]).sum()
        if expected >= LEAST_ARM_PIXELS and layers.seen(layer).sum() < LEAST_ARM * expected:
            faults.append(f"most of the {side} arm is hidden, so it will look wrong when it moves")
        elif layer in layers.lost_hands:
            faults.append(f"the {side} hand is hidden, so it will look like cloth when it moves")
    return tuple(faults)


def shoulder_turn(body: PhotoBody) -> float:
    """Degrees by which the line between the shoulders is turned about the vertical, from 0 to 180."""
    left, right = (body.places[body.model.controls[f"shoulder_{side}"][0]] for side in SIDES)
    across = left - right
    return abs(math.degrees(math.atan2(float(across[2]), float(across[0]))))


def thighs_are_raised(body: PhotoBody) -> bool:
    """Whether both thighs point away from the trunk's axis, as when sitting."""
    places, controls = body.places, body.model.controls
    hips = [places[controls[f"hip_{side}"][0]] for side in SIDES]
    trunk = (hips[0] + hips[1]) / 2 - places[controls["neck"][0]]
    cosines = []
    for side, hip in zip(SIDES, hips, strict=True):
        thigh = places[controls[f"knee_{side}"][0]] - hip
        cosines.append(float(thigh @ trunk / (thigh.norm() * trunk.norm())))
    return max(cosines) < math.cos(math.radians(SITTING_ANGLE))
