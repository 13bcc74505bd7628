"""np.random.Generator dressed people, with generated clothes or from a MakeHuman data folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody
from motion_imitate.synthesis import complexion, hair
from motion_imitate.synthesis.actor import Actor, MeshLayer, assemble_actor, uncovered_faces
from motion_imitate.synthesis.figure import MeasuredBody, measure_body
from motion_imitate.synthesis.held_out import HeldOutSplit
from motion_imitate.synthesis.outfits import OutfitItem, make_outfit

MAX_SHAPE_DEVIATION = 2.2  # in standard deviations
KEYPOINT_SET = "blazepose33"


@dataclass(frozen=True)
class ClothingSettings:
    """Where clothes come from.

    Without a wardrobe all clothes are generated; with one, a share `own` of the people wear generated clothes and the
    others wear assets from the split `part`.
    """

    wardrobe: Path | None = None
    own: float = 0.4
    part: HeldOutSplit = "all"


def make_actor(
    body: SkinnedBody,
    random: np.random.Generator,
    how: ClothingSettings = ClothingSettings(),
    clothes: np.random.Generator | None = None,
) -> Actor:
    """A random dressed person, reproducible from the state of `random`, and of `clothes` if the clothes have their own
    randomness."""
    who = measure_body(body, sample_body_shape(random, len(body.skin.shape_dirs)))
    clothes = clothes or random
    if how.wardrobe is not None and clothes.random() >= how.own:
        from motion_imitate.synthesis.borrowed import build_wardrobe_layers

        layers = build_wardrobe_layers(random, who, how.wardrobe, how.part, clothes)
    else:
        layers = build_generated_layers(random, who, clothes)
    return assemble_actor(body, who.shape, rest_joint_array(who), layers, rest_mark_vertices(who))


def sample_body_shape(random: np.random.Generator, count: int) -> Float[Tensor, " S"]:
    """np.random.Generator shape parameters, clipped to MAX_SHAPE_DEVIATION."""
    return torch.from_numpy(np.clip(random.normal(0, 1, count), -MAX_SHAPE_DEVIATION, MAX_SHAPE_DEVIATION)).float()


def rest_joint_array(who: MeasuredBody) -> Float[Tensor, "J 3"]:
    """Rest positions of the joints, in the body's order."""
    return torch.stack(list(who.joints.values()))


def build_generated_layers(
    random: np.random.Generator, who: MeasuredBody, outfits: np.random.Generator
) -> list[MeshLayer]:
    """Generated skin, clothes and hair."""
    skin, shade = complexion.sample_skin_tone(random), hair.sample_hair_colour(random)
    clothes = make_outfit(outfits, who)
    locks, scalp = hair.make_hair(random, who, shade)
    texture = complexion.paint_skin_texture(random, who, skin, shade, scalp)
    seen = uncovered_faces(who.body.faces, clothes.hidden)
    return [build_skin_layer(who, seen, texture), *(build_item_layer(who, item) for item in [*clothes.items, *locks])]


def build_skin_layer(who: MeasuredBody, seen: Tensor, texture: np.ndarray) -> MeshLayer:
    """The uncovered skin as a layer."""
    body = who.body
    return MeshLayer(
        *("skin", who.base.at, who.base.weights, body.faces[seen], body.uv[seen]),
        *(body.parts[seen], body.iuv[seen], texture),
    )


def build_item_layer(who: MeasuredBody, item: OutfitItem) -> MeshLayer:
    """A generated garment or hair piece as a layer."""
    piece, body = item.piece, who.body
    return MeshLayer(
        *(item.kind, piece.at, piece.weights, piece.faces, piece.uv / item.metres),
        *(body.parts[piece.source], body.iuv[piece.source], item.texture),
    )


def rest_mark_vertices(who: MeasuredBody) -> tuple[Float[Tensor, "M 3"], Float[Tensor, "M J"]]:
    """Rest positions and weights of the vertices used for keypoints and the face box."""
    chosen = mark_vertices(who.body)
    return who.base.at[chosen], who.body.skin.weights[chosen]


def mark_vertices(body: SkinnedBody) -> Tensor:
    """Indices of the vertices that keypoints blend, and those of the face."""
    blended = body.keypoints(KEYPOINT_SET).abs().amax(0) > 0
    return (blended | face_vertices(body)).nonzero()[:, 0]


def face_vertices(body: SkinnedBody) -> Tensor:
    """Mask of the vertices between chin and brow, in front of the ears."""
    head = torch.zeros(len(body.skin.template), dtype=torch.bool)
    head[body.faces[torch.isin(body.parts, torch.tensor([23, 24]))]] = True
    at = body.skin.template
    points = dict(zip(body.point_names, body.points @ at, strict=True))
    mouth, eye, ear = (points[f"{name}_left"] for name in ("mouth", "eye", "ear"))
    high = eye[1] - mouth[1]
    within = (at[:, 1] > mouth[1] - 0.6 * high) & (at[:, 1] < eye[1] + 0.7 * high) & (at[:, 2] > ear[2] + 0.02)
    return head & within
