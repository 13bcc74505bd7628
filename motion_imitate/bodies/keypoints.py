"""The sets of keypoints people annotate, as named points that every body model knows of its surface."""

PAIRED = (
    *("eye_inner", "eye", "eye_outer", "ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
    *("hip", "knee", "ankle", "heel", "foot_index"),
)
SINGLE = ("nose", "neck")
NAMES = (*SINGLE, *(f"{point}_{side}" for point in PAIRED for side in ("left", "right")))

FACE = ("nose", "eye_left", "eye_right", "ear_left", "ear_right")
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def sides(*points: str) -> tuple[str, ...]:
    """Left, right, left, right."""
    return tuple(f"{point}_{side}" for point in points for side in ("left", "right"))


KEYPOINTS: dict[str, tuple[str, ...]] = {
    "coco17": (*FACE, *sides(*LIMBS)),
    "openpose18": (
        *("nose", "neck", "shoulder_right", "elbow_right", "wrist_right", "shoulder_left", "elbow_left", "wrist_left"),
        *("hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left"),
        *("eye_right", "eye_left", "ear_right", "ear_left"),
    ),
    "blazepose33": (
        *("nose", "eye_inner_left", "eye_left", "eye_outer_left", "eye_inner_right", "eye_right", "eye_outer_right"),
        *sides("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
        *sides("hip", "knee", "ankle", "heel", "foot_index"),
    ),
}
