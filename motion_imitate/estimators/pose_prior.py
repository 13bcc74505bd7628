"""The pose prior: mean bends, their spread, and the hinge limits of elbows and knees."""

from dataclasses import dataclass
from math import radians

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.rig import BENDS, bend_kind
from motion_imitate.types import BodyModel

BEND_SPREAD = {  # standard deviation in degrees about x (left), y (up) and z (out of the chest)
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
ELBOW_SPREAD = (50, 45, 7)  # standard deviation in degrees about the hinge, the lower limb and the third axis
KNEE_SPREAD = (55, 10, 5)
ELBOW_REST, KNEE_REST, ARM_REST = 15, 12, 25  # degrees between the mean pose and the rest pose


@dataclass(frozen=True)
class PosePrior:
    """Mean and precision of each bend, and the axis and limits, in radians, of those that are hinges."""

    mean: Float[Tensor, "C 3"]
    precision: Float[Tensor, "C 3 3"]
    hinge: Float[Tensor, "C 3"]  # the axis; zero where there is none
    least: Float[Tensor, " C"]
    most: Float[Tensor, " C"]


def unit_vector(v: Tensor) -> Tensor:
    return v / v.norm(dim=-1, keepdim=True).clamp(min=1e-9)


def precision_about_axes(axes: list[Tensor], degrees: tuple[int, int, int]) -> Tensor:
    """The precision matrix of a bend with these standard deviations, in degrees, about these axes."""
    return torch.stack([torch.outer(a, a) / radians(d) ** 2 for a, d in zip(axes, degrees, strict=True)]).sum(0)


def build_pose_prior(model: BodyModel) -> PosePrior:
    """The pose prior of a body model; hinge axes and limits follow from its rest pose."""
    rest = model.skin.joints.double().cpu()
    found: dict[str, list[Tensor]] = {"mean": [], "precision": [], "hinge": [], "least": [], "most": []}
    for name in BENDS:
        sort, side = bend_kind(name), name.rpartition("_")[2]
        mean, precision, hinge = torch.zeros(3).double(), torch.eye(3).double(), torch.zeros(3).double()
        least, most = 0.0, 0.0

        def at(bend: str, side: str = side) -> Tensor:
            return rest[model.controls[f"{bend}_{side}"][0]]

        if sort in ("elbow", "knee"):
            above, here, below = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))[sort == "knee"]
            upper, lower = unit_vector(at(here) - at(above)), unit_vector(at(below) - at(here))
            straight = torch.acos((upper @ lower).clamp(-1, 1)).item()  # the rest pose's angle from straight
            onward = torch.tensor([0, 0, -1.0 if sort == "knee" else 1.0]).double()  # the way the lower limb swings
            toward = torch.linalg.cross(upper, lower) if sort == "elbow" and straight > radians(5) else None
            hinge = unit_vector(toward if toward is not None else torch.linalg.cross(lower, onward))
            precision = precision_about_axes(
                [hinge, lower, torch.linalg.cross(hinge, lower)], KNEE_SPREAD if sort == "knee" else ELBOW_SPREAD
            )
            mean = hinge * radians(KNEE_REST if sort == "knee" else ELBOW_REST)
            bent = 0.0 if sort == "knee" else straight
            least, most = -bent - radians(3), radians(150) - bent
        else:
            precision = torch.diag(1 / torch.tensor(BEND_SPREAD[sort]).double().deg2rad() ** 2)
        if sort == "shoulder":
            lowering = torch.tensor([0, 0, -1.0 if side == "left" else 1.0]).double()
            mean = lowering * radians(ARM_REST)
        for key, value in (("mean", mean), ("precision", precision), ("hinge", hinge)):
            found[key].append(value)
        found["least"].append(torch.tensor(least).double())
        found["most"].append(torch.tensor(most).double())
    return PosePrior(**{key: torch.stack(values) for key, values in found.items()})
