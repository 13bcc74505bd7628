"""What is known of how people bend before any picture is seen: usual bends, hinges and their limits."""

from dataclasses import dataclass
from math import radians

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.rig import BENDS, kind
from motion_imitate.types import BodyModel

SPREAD = {  # degrees about x (to the left), y (up) and z (out of the chest) that bends usually stay within
    "spine_low": (14, 14, 10),
    "spine_high": (14, 14, 10),
    "neck": (22, 25, 18),
    "head": (18, 20, 14),
    "collar": (10, 14, 14),
    "shoulder": (55, 55, 55),
    "wrist": (25, 25, 25),
    "hip": (45, 30, 25),
    "ankle": (20, 12, 12),
}
ELBOW = (50, 45, 7)  # degrees about the hinge, along the forearm, and the third way, that a hinge does not go
KNEE = (55, 10, 5)
ELBOW_REST, KNEE_REST, ARM_REST = 15, 12, 25  # degrees by which the usual pose differs from the rest pose


@dataclass(frozen=True)
class Habits:
    mean: Float[Tensor, "C 3"]
    precision: Float[Tensor, "C 3 3"]
    hinge: Float[Tensor, "C 3"]  # the axis; zero where there is none
    least: Float[Tensor, " C"]
    most: Float[Tensor, " C"]


def unit(v: Tensor) -> Tensor:
    return v / v.norm(dim=-1, keepdim=True).clamp(min=1e-9)


def stiffness(axes: list[Tensor], degrees: tuple[int, int, int]) -> Tensor:
    return torch.stack([torch.outer(a, a) / radians(d) ** 2 for a, d in zip(axes, degrees, strict=True)]).sum(0)


def habits(model: BodyModel) -> Habits:
    rest = model.skin.joints.double().cpu()
    found: dict[str, list[Tensor]] = {"mean": [], "precision": [], "hinge": [], "least": [], "most": []}
    for name in BENDS:
        sort, side = kind(name), name.rpartition("_")[2]
        mean, precision, hinge = torch.zeros(3).double(), torch.eye(3).double(), torch.zeros(3).double()
        least, most = 0.0, 0.0

        def at(bend: str, side: str = side) -> Tensor:
            return rest[model.controls[f"{bend}_{side}"][0]]

        if sort in ("elbow", "knee"):
            above, here, below = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))[sort == "knee"]
            upper, lower = unit(at(here) - at(above)), unit(at(below) - at(here))
            straight = torch.acos((upper @ lower).clamp(-1, 1)).item()  # how far from straight the rest pose is
            onward = torch.tensor([0, 0, -1.0 if sort == "knee" else 1.0]).double()  # where the lower limb swings to
            toward = torch.linalg.cross(upper, lower) if sort == "elbow" and straight > radians(5) else None
            hinge = unit(toward if toward is not None else torch.linalg.cross(lower, onward))
            precision = stiffness([hinge, lower, torch.linalg.cross(hinge, lower)], KNEE if sort == "knee" else ELBOW)
            mean = hinge * radians(KNEE_REST if sort == "knee" else ELBOW_REST)
            bent = 0.0 if sort == "knee" else straight
            least, most = -bent - radians(3), radians(150) - bent
        else:
            precision = torch.diag(1 / torch.tensor(SPREAD[sort]).double().deg2rad() ** 2)
        if sort == "shoulder":
            lowering = torch.tensor([0, 0, -1.0 if side == "left" else 1.0]).double()
            mean = lowering * radians(ARM_REST)
        for key, value in (("mean", mean), ("precision", precision), ("hinge", hinge)):
            found[key].append(value)
        found["least"].append(torch.tensor(least).double())
        found["most"].append(torch.tensor(most).double())
    return Habits(**{key: torch.stack(values) for key, values in found.items()})
