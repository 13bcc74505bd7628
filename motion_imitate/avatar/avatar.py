"""The avatar: skinned, textured meshes cut from photos, made once per person."""

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

OPAQUE_ALPHA = 243  # of 255: a surface with more alpha hides what is behind it
THICK_ALPHA = 127  # the same in thick faces, whose outlines the samples cut: translucent rims would open slits
HAND_MOVES = 5  # per hand of the body: its wrist and forearm; those of the photo's hand, and the joint above


class BodyHand(NamedTuple):
    """The body's own hand, which takes the place of what the photo shows, see `append_hand_moves`."""

    elbow: int  # joints
    wrist: int
    end: float  # of the way from elbow to wrist, where the photo's sleeve or arm ends
    seen: bool  # whether the photo shows the hand

    def carriers(self, parents: tuple[int, ...]) -> tuple[int, ...]:
        """The joints of the body, of those `parents`, that its `HAND_MOVES` follow."""
        forearm = parents[self.wrist]
        return self.wrist, forearm, self.wrist, forearm, parents[forearm]


class FadingFaces(NamedTuple):
    """For each face of an avatar the photo that it fades to."""

    lift: Float[Tensor, " F"]  # how far it has faded
    lifted: Int[Tensor, " F"]  # the photo
    slot: Int[Tensor, " F"]  # the row of `lifted_source` that it reads there; -1: what it reads in its own photo
    lifted_source: Float[Tensor, "K 3 2"]  # image points at corners


@dataclass(frozen=True)
class TurningVertices:
    """Vertices of the flanks, whose colours change when they are seen from the side."""

    vertices: Int[Tensor, " K"]
    source: Float[Tensor, "K 2"]  # image points of the photo that they then show
    rays: Float[Tensor, "K 3"]  # the direction in which the photo saw them, at rest
    steepness: Float[Tensor, " K"]  # how many times wider the flank is from the side than in the photo

    @classmethod
    def none(cls) -> "TurningVertices":
        """No vertices."""
        return cls(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2), torch.zeros(0, 3), torch.zeros(0))


@dataclass(frozen=True)
class RimVertices:
    """The outer edges of flat strips, which fold into the outline when they are seen from the side."""

    vertices: Int[Tensor, " K"]
    outline: Int[Tensor, " K"]  # the nearest vertex of the outline
    rays: Float[Tensor, "K 3"]  # the direction in which the photo saw them, at rest

    @classmethod
    def none(cls) -> "RimVertices":
        """No vertices."""
        whole = torch.zeros(0, dtype=torch.int64)
        return cls(whole, whole, torch.zeros(0, 3))


@dataclass(frozen=True)
class ContactFaces:
    """Faces that show more than themselves in the photo, such as an arm's shadow, hair, or a strap beside a leg. They
    lose it when what touches them leaves, or the person turns."""

    faces: Int[Tensor, " K"]
    vertices: Int[Tensor, " K"]  # a corner of each
    other: Int[Tensor, " K"]  # the nearest vertex in the photo of what touches them: an arm, or the trunk an arm
    distance: Float[Tensor, " K"]  # metres between the two in the photo
    photo: Int[Tensor, " K"]  # the photo that colours the face without it
    lift: Float[Tensor, " K"]  # how much of that photo is shown, 0 to 1

    @classmethod
    def none(cls) -> "ContactFaces":
        """No faces."""
        whole, parts = torch.zeros(0, dtype=torch.int64), torch.zeros(0)
        return cls(whole, whole, whole, parts, whole, parts)


@dataclass(frozen=True)
class CuffFaces:
    """Faces of arms beyond their cuffs, whose texture ends there once the body's hand has appeared."""

    faces: Int[Tensor, " K"]
    hand: Int[Tensor, " K"]  # the number of the body's hand
    photo: Int[Tensor, " K"]  # the photo that ends at the cuff
    gone: Float[Tensor, " N"]  # how much of the photo's hand has gone, for each hand of the body, 0 to 1

    @classmethod
    def none(cls) -> "CuffFaces":
        """No faces."""
        whole = torch.zeros(0, dtype=torch.int64)
        return cls(whole, whole, whole, torch.zeros(0))


@dataclass(frozen=True)
class HeadFaces:
    """Faces of the head that the photo shows poorly or not, which fade to a texture of the head all round when it
    turns."""

    faces: Int[Tensor, " K"]
    source: Float[Tensor, "K 3 2"]  # image points of that texture at their corners
    photo: int  # its number
    joint: int  # with which the head turns
    ray: Float[Tensor, "3"]  # the direction in which the photo saw it, at rest
    lift: Float[Tensor, ""]  # how much of that texture is shown, 0 to 1

    @classmethod
    def none(cls) -> "HeadFaces":
        """No faces."""
        return cls(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3, 2), 0, 0, torch.zeros(3), torch.zeros(()))


@dataclass(frozen=True)
class Avatar:
    """Meshes in layers (trunk, arms, legs), coloured by photos.

    A vertex moves with K joints, by weights that sum to 1. Layers with a positive bias are drawn as if they were that
    much nearer: it decides which face is seen, and moves nothing.
    """

    rest: Float[Tensor, "V 3"]  # where vertices are in body space when the body model is at rest
    joints: Int[Tensor, "V K"]
    weights: Float[Tensor, "V K"]
    source: Float[Tensor, "V 2"]  # image points of the photo
    faces: Int[Tensor, "F 3"]
    photo: Int[Tensor, " F"]  # the photo that colours the face
    layer: Int[Tensor, " F"]
    bias: Float[Tensor, " L"]  # metres, one per layer
    thick: Bool[Tensor, " F"]  # front or back of a solid; else a flat sheet that carries the soft alpha
    solid: Bool[Tensor, " F"]  # opaque everywhere, see `find_solid_faces`
    photo_turns: Float[Tensor, "J 3 3"]  # of the body in the photo: each joint's rotation from rest,
    photo_places: Float[Tensor, "J 3"]  # and where it is; body space
    photo_pose: Float[Tensor, "J 3 3"]  # of the body in the photo, where arms and legs lie as the photo shows them
    photo_view: Float[Tensor, "3"]  # the direction in which the photo saw the trunk, at rest
    kind_colours: Float[Tensor, "C 3"]  # see `match_colours.find_kind_colours`
    photos: UInt8[Tensor, "N H W 4"]  # RGB and straight alpha; the colours are the person's, without the background
    flanks: "TurningVertices" = field(default_factory=lambda: TurningVertices.none())
    rim: "RimVertices" = field(default_factory=lambda: RimVertices.none())
    contacts: "ContactFaces" = field(default_factory=lambda: ContactFaces.none())
    head: "HeadFaces" = field(default_factory=lambda: HeadFaces.none())
    cuffs: "CuffFaces" = field(default_factory=lambda: CuffFaces.none())
    body_hands: tuple[BodyHand, ...] = ()  # `joints` counts their `HAND_MOVES` after those of the body
    kinds: UInt8[Tensor, "_ _ _"] = field(default_factory=lambda: torch.zeros(0, 1, 1, dtype=torch.uint8))
    # [L, H, W] of things that the pages of layers show, see `parsing_net.KIND_NAMES`; none once dressed
    faults: tuple[str, ...] = ()  # what will look wrong, see `find_photo_faults`

    def spread_lift(self) -> FadingFaces:
        """What faces fade to."""
        lift, photo = self.weights.new_zeros(len(self.faces)), self.photo.clone()
        lift[self.contacts.faces], photo[self.contacts.faces] = self.contacts.lift, self.contacts.photo
        slot = torch.full_like(photo, -1)
        lift[self.head.faces], photo[self.head.faces] = self.head.lift, self.head.photo
        slot[self.head.faces] = torch.arange(len(self.head.faces), device=slot.device)
        return FadingFaces(lift, photo, slot, self.head.source)


def points_to_texels(points: Float[Tensor, "*n 2"], size: tuple[int, int]) -> Float[Tensor, "*n 2"]:
    """Convert a photo's image points to texels: the centre of the first texel is (0, 0)."""
    height, width = size
    return (points + 1) * points.new_tensor([width / 2, height / 2]) - 0.5


def count_texels(where: Bool[Tensor, "N H W"]) -> Int[Tensor, "N H+1 W+1"]:
    """For each corner of a texel, how many texels above and left of it are True."""
    each = where.to("cpu", torch.uint8).contiguous().numpy()
    sums = [torch.from_numpy(cv2.integral(one)) for one in each]  # many times as fast as torch's cumsum
    return torch.stack(sums).to(where.device, torch.int64)


def find_solid_faces(
    source: Float[Tensor, "S V 2"],
    faces: Int[Tensor, "F 3"],
    photo: Int[Tensor, " F"],
    thick: Bool[Tensor, " F"],
    photos: UInt8[Tensor, "N H W 4"],
) -> Bool[Tensor, " F"]:
    """Faces that are opaque everywhere, so that drawing them reads no alpha.

    All texels in the bounding box of the face's source points, and of the others that they may move to, are opaque.
    """
    _, height, width, _ = photos.shape
    texels = points_to_texels(source, (height, width))[:, faces].movedim(0, 1).flatten(1, 2)
    limit = texels.new_tensor([width - 1, height - 1])
    low = texels.amin(1).floor().clamp(min=0).minimum(limit).long()
    high = (texels.amax(1).floor() + 1).clamp(min=0).minimum(limit).long() + 1
    holes = torch.empty_like(photo)
    for opaque, chosen in ((THICK_ALPHA, thick), (OPAQUE_ALPHA, ~thick)):
        # counts[n, y, x]: texels above and left of (x, y) that are not opaque
        counts = count_texels(photos[..., 3] <= opaque)
        n, (left, top), (right, bottom) = photo[chosen], low[chosen].unbind(1), high[chosen].unbind(1)
        holes[chosen] = (
            counts[n, bottom, right] - counts[n, top, right] - counts[n, bottom, left] + counts[n, top, left]
        )
    return holes == 0
