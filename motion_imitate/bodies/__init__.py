"""Body models: Anny and SMPL. `BODIES` maps each name to its loader."""

from collections.abc import Callable

from motion_imitate.bodies import anny, smpl
from motion_imitate.bodies.skinning import SkinnedBody

BODIES: dict[str, Callable[[], SkinnedBody]] = {"anny": anny.load_anny, "smpl": smpl.load_smpl}


def load_body(name: str = "anny") -> SkinnedBody:
    """Load a body model by name; raises ValueError for a name that is not in `BODIES`."""
    if name not in BODIES:
        raise ValueError(f"no body {name!r}; choose one of {', '.join(BODIES)}")
    return BODIES[name]()
