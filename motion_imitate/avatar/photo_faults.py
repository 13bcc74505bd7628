"""What will look wrong of a photo's person once they move, one sentence each."""

import math
from collections.abc import Sequence

from motion_imitate.avatar.avatar import BodyHand
from motion_imitate.avatar.body_surface import SIDES, PhotoBody
from motion_imitate.avatar.photo_layers import ARM_LAYERS, LEG_LAYERS, PhotoLayers

MOST_TURN = 35.0  # degrees that the shoulders may be turned from the camera
MOST_HEAD_TURN = 30.0  # the same of the head
SITTING_ANGLE = 50.0  # degrees of both thighs from the trunk's axis
LAYER_TITLES = dict(zip((*ARM_LAYERS, *LEG_LAYERS), ("left arm", "right arm", "left leg", "right leg"), strict=True))


def find_photo_faults(
    layers: PhotoLayers,
    body: PhotoBody,
    plain: Sequence[int] = (),
    hands: Sequence[BodyHand] = (),
    alone: bool = True,
) -> tuple[str, ...]:
    """The faults that can be known beforehand.

    `plain`: layers of limbs that are the body's own; `hands`: those that are drawn although the photo does not show
    them; `alone`: no other photo shows what this one does not.
    """
    faults = []
    turn = shoulder_turn(body)
    if alone and turn > MOST_TURN:
        faults.append(
            f"the person is turned {turn:.0f} degrees away from the camera, so the far side of face and body will be"
            " blurred; give a photo from the front for a better result"
        )
    elif alone and head_turn(body) > MOST_HEAD_TURN:
        faults.append(
            f"the head is turned {head_turn(body):.0f} degrees away from the camera, so the far side of the face will"
            " be the mirror image of the other; give a photo that looks at the camera for a better result"
        )
    if plain:
        faults.append(
            f"too little is seen of the {' and the '.join(LAYER_TITLES[layer] for layer in plain)}, which will be drawn"
            " plainly in the photo's colours; give a photo with arms and legs apart for a better result"
        )
    if thighs_are_raised(body) and not set(LEG_LAYERS) <= set(plain):
        faults.append("the person sits or crouches, so their legs will look torn when they stand")
    drawn = [hand.wrist for hand in hands]
    for layer in layers.lost_hands:
        side = SIDES[ARM_LAYERS.index(layer)]
        if body.model.controls[f"wrist_{side}"][0] in drawn:
            faults.append(
                f"the {side} hand is hidden, so a plain one in the face's colour will appear when it comes out; give a"
                " photo that shows both hands for a better result"
            )
        else:
            faults.append(f"the {side} hand is hidden, so it will be missing when it comes out")
    return tuple(faults)


def shoulder_turn(body: PhotoBody) -> float:
    """Degrees by which the line between the shoulders is turned about the vertical, from 0 to 180."""
    left, right = (body.places[body.model.controls[f"shoulder_{side}"][0]] for side in SIDES)
    across = left - right
    return abs(math.degrees(math.atan2(float(across[2]), float(across[0]))))


def head_turn(body: PhotoBody) -> float:
    """Degrees between where the head faces and the camera, about the vertical, from 0 to 180."""
    facing = body.moves[body.model.controls["head"][-1], :, 2]
    return abs(math.degrees(math.atan2(float(facing[0]), float(facing[2]))))


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
