"""Bodies to fit, pose and draw; BODIES names them."""

from collections.abc import Callable

from motion_imitate.bodies import anny, smpl
from motion_imitate.bodies.skinning import Skinned

BODIES: dict[str, Callable[[], Skinned]] = {"anny": anny.load, "smpl": smpl.load}


def load(name: str = "anny") -> Skinned:
    if name not in BODIES:
        raise ValueError(f"no body {name!r}; choose one of {', '.join(BODIES)}")
    return BODIES[name]()
