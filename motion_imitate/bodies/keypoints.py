"""Keypoint conventions (COCO, OpenPose, BlazePose), as lists of named points that every body model defines on its
surface."""

PAIRED_POINTS = (
    *("eye_inner", "eye", "eye_outer", "ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
    *("hip", "knee", "ankle", "heel", "foot_index"),
)
SINGLE_POINTS = ("nose", "neck")
POINT_NAMES = (*SINGLE_POINTS, *(f"{point}_{side}" for point in PAIRED_POINTS for side in ("left", "right")))

FACE_POINTS = ("nose", "eye_left", "eye_right", "ear_left", "ear_right")
LIMB_POINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def left_and_right(*points: str) -> tuple[str, ...]:
    """Each point's left and right name, in turn."""
    return tuple(f"{point}_{side}" for point in points for side in ("left", "right"))


KEYPOINT_SETS: dict[str, tuple[str, ...]] = {
    "coco17": (*FACE_POINTS, *left_and_right(*LIMB_POINTS)),
    "openpose18": (
        *("nose", "neck", "shoulder_right", "elbow_right", "wrist_right", "shoulder_left", "elbow_left", "wrist_left"),
        *("hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left"),
        *("eye_right", "eye_left", "ear_right", "ear_left"),
    ),
    "blazepose33": (
        *("nose", "eye_inner_left", "eye_left", "eye_outer_left", "eye_inner_right", "eye_right", "eye_outer_right"),
        *left_and_right("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
        *left_and_right("hip", "knee", "ankle", "heel", "foot_index"),
    ),
}
