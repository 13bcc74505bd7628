"""A person of boxes, made by hand: few joints, every number known, skinned by other code than the library's."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from motion_imitate.types import Body, Skin

JOINTS = {  # name: (parent, place at rest, box around it: half sizes, centre from the joint)
    "root": (None, (0.0, 0.0, 0.0), (0.15, 0.10, 0.10), (0.0, 0.0, 0.0)),
    "spine": ("root", (0.0, 0.15, 0.0), (0.18, 0.20, 0.10), (0.0, 0.2, 0.0)),
    "head": ("spine", (0.0, 0.55, 0.0), (0.08, 0.12, 0.10), (0.0, 0.12, 0.0)),
    "arm_left": ("spine", (0.2, 0.45, 0.0), (0.25, 0.04, 0.04), (0.25, 0.0, 0.0)),
    "arm_right": ("spine", (-0.2, 0.45, 0.0), (0.25, 0.04, 0.04), (-0.25, 0.0, 0.0)),
    "hand_left": ("arm_left", (0.7, 0.45, 0.0), (0.08, 0.02, 0.05), (0.08, 0.0, 0.0)),
    "hand_right": ("arm_right", (-0.7, 0.45, 0.0), (0.08, 0.02, 0.05), (-0.08, 0.0, 0.0)),
    "finger_left": ("hand_left", (0.85, 0.45, 0.0), (0.04, 0.01, 0.01), (0.04, 0.0, 0.0)),
    "finger_right": ("hand_right", (-0.85, 0.45, 0.0), (0.04, 0.01, 0.01), (-0.04, 0.0, 0.0)),
    "hip_left": ("root", (0.1, -0.05, 0.0), (0.07, 0.20, 0.07), (0.0, -0.2, 0.0)),
    "hip_right": ("root", (-0.1, -0.05, 0.0), (0.07, 0.20, 0.07), (0.0, -0.2, 0.0)),
    "knee_left": ("hip_left", (0.1, -0.45, 0.0), (0.06, 0.20, 0.06), (0.0, -0.2, 0.0)),
    "knee_right": ("hip_right", (-0.1, -0.45, 0.0), (0.06, 0.20, 0.06), (0.0, -0.2, 0.0)),
    "ankle_left": ("knee_left", (0.1, -0.85, 0.0), (0.04, 0.04, 0.12), (0.0, -0.04, 0.06)),
    "ankle_right": ("knee_right", (-0.1, -0.85, 0.0), (0.04, 0.04, 0.12), (0.0, -0.04, 0.06)),
}
NAMES = tuple(JOINTS)
CORNERS = torch.tensor([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
SIDES = torch.tensor(
    [
        *((0, 1, 3), (0, 3, 2), (4, 7, 5), (4, 6, 7), (0, 4, 5), (0, 5, 1)),
        *((2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)),
    ]
)
BENDS = ("spine", "head", "hip_left", "hip_right", "knee_left", "knee_right", "ankle_left", "ankle_right")


def skin() -> Skin:
    """Shape numbers: height (a tenth more each), legs and shins (a tenth longer each)."""
    joints = torch.tensor([place for _, place, _, _ in JOINTS.values()])
    template = torch.cat(
        [
            j + torch.tensor(c) + CORNERS * torch.tensor(h)
            for j, (_, _, h, c) in zip(joints, JOINTS.values(), strict=True)
        ]
    )
    parents = tuple(NAMES.index(p) if p else -1 for p, *_ in JOINTS.values())
    weights = torch.eye(len(NAMES)).repeat_interleave(8, 0) * 0.75
    for j, p in enumerate(parents):
        shared = j if "ankle" in NAMES[j] else max(p, 0)  # feet are stiff, all else gives a little
        weights[8 * j : 8 * j + 8, shared] += 0.25
    return Skin(
        template=template,
        shape_dirs=torch.stack([0.1 * template, lengthen(template, -0.05), lengthen(template, -0.45)]),
        joints=joints,
        joint_dirs=torch.stack([0.1 * joints, lengthen(joints, -0.05), lengthen(joints, -0.45)]),
        weights=weights,
        parents=parents,
    )


def lengthen(points: Tensor, below: float) -> Tensor:
    """What a tenth more below a height adds."""
    return (points - torch.tensor([0.0, below, 0.0])).clamp(max=0) * torch.tensor([0.0, 0.1, 0.0])


@dataclass(frozen=True)
class BoxBody:
    name: str = "boxes"
    skin: Skin = field(default_factory=skin)
    joint_names: tuple[str, ...] = NAMES
    relaxed: Tensor = field(default_factory=lambda: torch.eye(3).repeat(len(NAMES), 1, 1))
    faces: Tensor = field(default_factory=lambda: torch.cat([SIDES + 8 * j for j in range(len(NAMES))]))

    @property
    def controls(self) -> dict[str, tuple[int, ...]]:
        hands = {f"wrist_{side}": (NAMES.index(f"hand_{side}"),) for side in ("left", "right")}
        return {name: (NAMES.index(name),) for name in BENDS} | hands

    @property
    def uv(self) -> Tensor:
        corners = torch.tensor([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
        cell = torch.arange(len(self.faces))[:, None, None]
        return torch.cat([(corners[:, :1] + cell % 16) / 16, (corners[:, 1:] + cell // 16) / 16], -1)

    @property
    def parts(self) -> Tensor:
        return torch.ones(len(self.faces), dtype=torch.long)

    iuv = uv

    @property
    def mirror_vertices(self) -> Tensor:
        mirrored = self.skin.template * torch.tensor([-1.0, 1.0, 1.0])
        return torch.cdist(self.skin.template, mirrored).argmin(1)

    @property
    def mirror_faces(self) -> Tensor:
        return torch.arange(len(self.faces))

    @property
    def keypoint_offsets(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(33, 3), torch.zeros(33, dtype=torch.long)

    @property
    def proxy_vertices(self) -> Tensor:
        return torch.arange(len(self.skin.template))

    @property
    def proxy_faces(self) -> Tensor:
        return self.faces

    def __call__(self, body: Body) -> tuple[Tensor, Tensor]:
        s = self.skin
        rest = s.template + torch.einsum("bs,svi->bvi", body.shape, s.shape_dirs)
        joints = s.joints + torch.einsum("bs,sji->bji", body.shape, s.joint_dirs)
        posed = torch.eye(4).repeat(len(body), len(NAMES), 1, 1)
        for j, p in enumerate(s.parents):
            local = torch.eye(4).repeat(len(body), 1, 1)
            local[:, :3, :3] = body.pose[:, j]
            local[:, :3, 3] = joints[:, j] - (joints[:, p] if p >= 0 else 0)
            posed[:, j] = posed[:, p] @ local if p >= 0 else local
        home = torch.eye(4).repeat(len(body), len(NAMES), 1, 1)
        home[..., :3, 3] = -joints
        skinned = torch.einsum("vj,bjxy->bvxy", s.weights, posed @ home)
        vertices = (skinned @ torch.cat([rest, torch.ones_like(rest[..., :1])], -1)[..., None])[..., :3, 0]
        return vertices, posed[..., :3, 3]

    def keypoints(self, name: str) -> Tensor:
        """Only heels and toes of BlazePose's 33 are placed with care: the middle of a foot box's lower edges."""
        blend = torch.zeros(33, len(self.skin.template))
        blend[:, 0] = 1
        for row, joint, front in (
            (29, "ankle_left", 0),
            (30, "ankle_right", 0),
            (31, "ankle_left", 1),
            (32, "ankle_right", 1),
        ):
            blend[row, 0] = 0
            blend[row, [8 * NAMES.index(joint) + c for c in (front, 4 + front)]] = 0.5
        return blend
