"""A synthetic person: the body's skin with eyes, hair and clothes, posed like the body."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample

from motion_imitate.bodies.skinning import SkinnedBody, joint_places, local_to_global, rest_shape, skin_vertices
from motion_imitate.geometry.mesh import vertex_normals
from motion_imitate.synthesis.wardrobe import Garment, garment_weights, hang_garment, load_makehuman_mesh
from motion_imitate.types import Skin

FIRST_EYEBALL_VERTEX = 13574  # Anny's own eyeballs come last; textured eyes replace them
SOLID_ALPHA = 0.98  # lowest alpha of a solid texture


@dataclass(frozen=True)
class SkinTuck:
    """How far skin is moved inwards so that it does not show through cloth."""

    near: float = 0.02  # metres from cloth within which skin counts as covered
    sink: float = 0.005  # largest inward movement in metres


@dataclass(frozen=True)
class WornGarment:
    """A garment with its texture and kind of surface."""

    kind: str  # clothes, shoes, hair, eyes, brows or lashes, as in `light.FINISHES`
    garment: Garment
    texture: Float[Tensor, "4 H W"]


@dataclass(frozen=True)
class DressedPerson:
    """All pieces in one mesh; the body comes first, its vertices in the body model's order."""

    skin: Skin  # for one fixed shape
    faces: Int[Tensor, "F 3"]
    uv: Float[Tensor, "F 3 2"]  # v upwards
    piece: Int[Tensor, " F"]
    sheer: Bool[Tensor, " F"]  # faces with a transparent texture
    kinds: tuple[str, ...]  # of each piece
    textures: tuple[Tensor, ...]  # of each piece, [4, H, W]

    def __call__(self, pose: Float[Tensor, "B J 3 3"]) -> Float[Tensor, "B N 3"]:
        """Vertices in body space."""
        turns = local_to_global(pose, self.skin.parents)
        rest, joints = self.skin.template.expand(len(pose), -1, -1), self.skin.joints.expand(len(pose), -1, -1)
        return skin_vertices(self.skin.weights, rest, joints, turns, joint_places(turns, joints, self.skin.parents))


def dress_person(
    body: SkinnedBody,
    shape: Float[Tensor, " S"],
    skin: Float[Tensor, "4 H W"],
    wear: Sequence[WornGarment],
    how: SkinTuck = SkinTuck(),
) -> DressedPerson:
    """A person with the body's shape parameters, a skin texture and what they wear."""
    base = load_makehuman_mesh(body)
    rest, joints = rest_shape(base.skin, shape[None])
    naked = rest[0, base.places]
    hung = [hang_garment(worn.garment, rest[0]) for worn in wear]
    cloth = [at for at, worn in zip(hung, wear, strict=True) if worn.kind == "clothes"]
    if cloth:
        naked = tuck_skin(naked, body.faces, torch.cat(cloth), how)
    gone = torch.zeros(len(rest[0]), dtype=torch.bool)
    for worn in wear:
        gone[worn.garment.hides] = True
    hidden = gone[base.places][body.faces].all(1)
    if any(worn.kind == "eyes" for worn in wear):
        hidden |= (body.faces >= FIRST_EYEBALL_VERTEX).all(1)
    starts = torch.tensor([0, len(naked), *map(len, hung)]).cumsum(0).tolist()
    meshes = [(body.faces[~hidden], body.uv[~hidden], skin)] + [
        (worn.garment.faces + start, worn.garment.uv, worn.texture)
        for worn, start in zip(wear, starts[1:], strict=False)
    ]
    held = [base.skin.weights[base.places], *(garment_weights(worn.garment, base.skin.weights) for worn in wear)]
    none = torch.zeros(0, sum(map(len, [naked, *hung])), 3)
    return DressedPerson(
        skin=Skin(
            torch.cat([naked, *hung]), none, joints[0], none[:, : joints.shape[1]], torch.cat(held), body.skin.parents
        ),
        faces=torch.cat([faces for faces, _, _ in meshes]),
        uv=torch.cat([uv for _, uv, _ in meshes]),
        piece=torch.cat([torch.full((len(faces),), k) for k, (faces, _, _) in enumerate(meshes)]),
        sheer=torch.cat([faces_with_alpha(uv, texture) for _, uv, texture in meshes]),
        kinds=("skin", *(worn.kind for worn in wear)),
        textures=tuple(texture for _, _, texture in meshes),
    )


def tuck_skin(
    skin: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], cloth: Float[Tensor, "N 3"], how: SkinTuck
) -> Float[Tensor, "V 3"]:
    """The skin moved inwards under cloth, further the nearer the cloth is."""
    away = torch.cat([torch.cdist(part[None], cloth[None])[0].amin(1) for part in skin.split(1024)])
    depth = how.sink * (2 - 2 * away / how.near).clamp(0, 1)
    return skin - depth[:, None] * vertex_normals(skin[None], faces)[0]


def faces_with_alpha(uv: Float[Tensor, "F 3 2"], texture: Float[Tensor, "4 H W"]) -> Bool[Tensor, " F"]:
    """Whether each face's texture is transparent: all faces of a piece, or none."""
    return torch.full((len(uv),), bool(texture[3].min() < SOLID_ALPHA))


def sample_texture(texture: Float[Tensor, "C H W"], uv: Float[Tensor, "N 2"]) -> Float[Tensor, "N C"]:
    """Colours at texture coordinates (v upwards); the texture repeats."""
    turned = uv % 1 * uv.new_tensor([2.0, -2.0]) + uv.new_tensor([-1.0, 1.0])
    found = grid_sample(texture[None], turned[None, None], mode="bilinear", padding_mode="border", align_corners=False)
    colours: Tensor = found[0, :, 0].mT
    return colours
