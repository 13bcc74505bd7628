"""Random people, dressed: out of nothing but the body itself, or from a data folder of MakeHuman's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned
from motion_imitate.synthesis import complexion, hair
from motion_imitate.synthesis.actor import Actor, Layer, assembled, seen_faces
from motion_imitate.synthesis.figure import Figure, figure
from motion_imitate.synthesis.held_out import Part
from motion_imitate.synthesis.outfits import Item, outfit

Random = np.random.Generator
MOST = 2.2  # standard deviations that a number of the shape strays
POINTS = "blazepose33"


@dataclass(frozen=True)
class Closet:
    """Whom to draw. Without a wardrobe everybody wears generated clothes; with one, `own` of them do, and the others
    what is in that part of it."""

    wardrobe: Path | None = None
    own: float = 0.4
    part: Part = "all"


def person(body: Skinned, random: Random, how: Closet = Closet()) -> Actor:
    """Somebody; the same for the same state of `random`."""
    who = figure(body, shape(random, len(body.skin.shape_dirs)))
    if how.wardrobe is not None and random.random() >= how.own:
        from motion_imitate.synthesis.borrowed import layers as borrowed

        return assembled(body, who.shape, joints(who), borrowed(random, who, how.wardrobe, how.part), marks(who))
    return assembled(body, who.shape, joints(who), layers(random, who), marks(who))


def shape(random: Random, count: int) -> Float[Tensor, " S"]:
    return torch.from_numpy(np.clip(random.normal(0, 1, count), -MOST, MOST)).float()


def joints(who: Figure) -> Float[Tensor, "J 3"]:
    return torch.stack(list(who.joints.values()))


def layers(random: Random, who: Figure) -> list[Layer]:
    """Skin, clothes and hair made for the body."""
    skin, shade = complexion.tone(random), hair.shade(random)
    clothes = outfit(random, who)
    locks, scalp = hair.hair(random, who, shade)
    texture = complexion.painted(random, who, skin, shade, scalp)
    seen = seen_faces(who.body.faces, clothes.hidden)
    return [skin_layer(who, seen, texture), *(item_layer(who, item) for item in [*clothes.items, *locks])]


def skin_layer(who: Figure, seen: Tensor, texture: np.ndarray) -> Layer:
    body = who.body
    return Layer(
        *("skin", who.base.at, who.base.weights, body.faces[seen], body.uv[seen]),
        *(body.parts[seen], body.iuv[seen], texture),
    )


def item_layer(who: Figure, item: Item) -> Layer:
    piece, body = item.piece, who.body
    return Layer(
        *(item.kind, piece.at, piece.weights, piece.faces, piece.uv / item.metres),
        *(body.parts[piece.source], body.iuv[piece.source], item.texture),
    )


def marks(who: Figure) -> tuple[Float[Tensor, "M 3"], Float[Tensor, "M J"]]:
    """Vertices that keypoints are blends of, and those of the face."""
    chosen = mark_vertices(who.body)
    return who.base.at[chosen], who.body.skin.weights[chosen]


def mark_vertices(body: Skinned) -> Tensor:
    blended = body.keypoints(POINTS).abs().amax(0) > 0
    return (blended | face_vertices(body)).nonzero()[:, 0]


def face_vertices(body: Skinned) -> Tensor:
    """From chin to brow, in front of the ears; true where a vertex is of it."""
    head = torch.zeros(len(body.skin.template), dtype=torch.bool)
    head[body.faces[torch.isin(body.parts, torch.tensor([23, 24]))]] = True
    at = body.skin.template
    points = dict(zip(body.point_names, body.points @ at, strict=True))
    mouth, eye, ear = (points[f"{name}_left"] for name in ("mouth", "eye", "ear"))
    high = eye[1] - mouth[1]
    within = (at[:, 1] > mouth[1] - 0.6 * high) & (at[:, 1] < eye[1] + 0.7 * high) & (at[:, 2] > ear[2] + 0.02)
    return head & within
