"""Make one avatar of pieces of several, which stand on the same body."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, CuffFaces, RimVertices, find_solid_faces


class AvatarPiece(NamedTuple):
    """Some faces of an avatar."""

    avatar: Avatar
    chosen: Bool[Tensor, " F"]
    nearer: Float[Tensor, " F"]  # metres that faces count as nearer, beside the bias of their layer


def take_faces(piece: AvatarPiece) -> Avatar:
    """The avatar without faces that are not chosen, and without what only they use."""
    avatar, chosen = piece.avatar, piece.chosen
    pairs = torch.stack([avatar.layer.double(), piece.nearer.double()], 1)[chosen]
    layers, layer = pairs.unique(dim=0, return_inverse=True)
    contacts, head, flanks, rim = avatar.contacts, avatar.head, avatar.flanks, avatar.rim
    touched = torch.zeros(len(avatar.rest), dtype=torch.bool)
    touched[avatar.faces[chosen]] = True
    held = chosen[contacts.faces] & touched[contacts.other]
    shown, ending = chosen[head.faces], chosen[avatar.cuffs.faces]
    aside = touched[flanks.vertices]
    folding = touched[rim.vertices] & touched[rim.outline]
    number, place = chosen.cumsum(0) - 1, touched.cumsum(0) - 1
    pages = torch.cat(
        [
            avatar.photo[chosen],
            contacts.photo[held],
            avatar.cuffs.photo[ending],
            torch.tensor([head.photo] * bool(shown.any())),
        ]
    )
    used = pages.long().unique()
    page = torch.zeros(len(avatar.photos), dtype=torch.int64)
    page[used] = torch.arange(len(used))
    return replace(
        avatar,
        rest=avatar.rest[touched],
        joints=avatar.joints[touched],
        weights=avatar.weights[touched],
        source=avatar.source[touched],
        faces=place[avatar.faces[chosen]],
        photo=page[avatar.photo[chosen]],
        layer=layer,
        bias=avatar.bias[layers[:, 0].long()] + layers[:, 1].float(),
        thick=avatar.thick[chosen],
        solid=avatar.solid[chosen],
        photos=avatar.photos[used],
        flanks=replace(
            flanks,
            vertices=place[flanks.vertices[aside]],
            source=flanks.source[aside],
            rays=flanks.rays[aside],
            steepness=flanks.steepness[aside],
        ),
        rim=RimVertices(place[rim.vertices[folding]], place[rim.outline[folding]], rim.rays[folding]),
        contacts=replace(
            contacts,
            faces=number[contacts.faces[held]],
            vertices=place[contacts.vertices[held]],
            other=place[contacts.other[held]],
            distance=contacts.distance[held],
            photo=page[contacts.photo[held]],
            lift=contacts.lift[held],
        ),
        cuffs=CuffFaces(
            number[avatar.cuffs.faces[ending]],
            avatar.cuffs.hand[ending],
            page[avatar.cuffs.photo[ending]],
            avatar.cuffs.gone,
        ),
        head=replace(head, faces=number[head.faces[shown]], source=head.source[shown], photo=int(page[head.photo])),
    )


def join_avatars(wearer: Avatar, pieces: Sequence[AvatarPiece], arms: Avatar) -> Avatar:
    """The pieces as one avatar, who was photographed as the wearer was; `arms` are the avatar's who gives the arms."""
    parts = [take_faces(piece) for piece in pieces]
    height, width = (max(part.photos.shape[axis] for part in parts) for axis in (1, 2))
    parts = [enlarge_pages(part, (height, width)) for part in parts]
    vertices, faces, pages, layers = (
        [sum(len(getattr(part, name)) for part in parts[:n]) for n in range(len(parts))]
        for name in ("rest", "faces", "photos", "bias")
    )

    def join(get: str, first: Sequence[int] | None = None) -> Tensor:
        outer, _, inner = get.rpartition(".")
        every = [getattr(getattr(part, outer) if outer else part, inner) for part in parts]
        return torch.cat([each + first[n] for n, each in enumerate(every)] if first else every)

    flanks, contacts = parts[0].flanks, parts[0].contacts
    joined = replace(
        wearer,
        rest=join("rest"),
        joints=join("joints"),
        weights=join("weights"),
        source=join("source"),
        faces=join("faces", vertices),
        photo=join("photo", pages),
        layer=join("layer", layers),
        bias=join("bias"),
        thick=join("thick"),
        solid=join("solid"),
        photos=join("photos"),
        kinds=wearer.kinds[:0],
        photo_turns=arms.photo_turns,
        photo_places=arms.photo_places,
        body_hands=arms.body_hands,
        flanks=replace(
            flanks,
            vertices=join("flanks.vertices", vertices),
            source=join("flanks.source"),
            rays=join("flanks.rays"),
            steepness=join("flanks.steepness"),
        ),
        rim=RimVertices(join("rim.vertices", vertices), join("rim.outline", vertices), join("rim.rays")),
        contacts=replace(
            contacts,
            faces=join("contacts.faces", faces),
            vertices=join("contacts.vertices", vertices),
            other=join("contacts.other", vertices),
            distance=join("contacts.distance"),
            photo=join("contacts.photo", pages),
            lift=join("contacts.lift"),
        ),
        cuffs=CuffFaces(join("cuffs.faces", faces), join("cuffs.hand"), join("cuffs.photo", pages), arms.cuffs.gone),
    )
    shown = [n for n, part in enumerate(parts) if len(part.head.faces)]
    if shown:
        head = parts[shown[0]].head
        joined = replace(
            joined, head=replace(head, faces=head.faces + faces[shown[0]], photo=head.photo + pages[shown[0]])
        )
    return replace(joined, solid=find_solid_again(joined))


def enlarge_pages(avatar: Avatar, size: tuple[int, int]) -> Avatar:
    """The avatar with pages of a larger size; their last rows and columns go on."""
    old = (avatar.photos.shape[1], avatar.photos.shape[2])
    rows, columns = (torch.arange(new).clamp(max=had - 1) for new, had in zip(size, old, strict=True))
    scale = torch.tensor([old[1] / size[1], old[0] / size[0]])

    def shrink(points: Tensor) -> Tensor:
        return (points + 1) * scale - 1

    return replace(
        avatar,
        source=shrink(avatar.source),
        photos=avatar.photos[:, rows][:, :, columns],
        flanks=replace(avatar.flanks, source=shrink(avatar.flanks.source)),
        head=replace(avatar.head, source=shrink(avatar.head.source)),
    )


def find_solid_again(avatar: Avatar) -> Bool[Tensor, " F"]:
    """Which faces are opaque everywhere, after their pages have changed."""
    aside = avatar.source.clone()
    aside[avatar.flanks.vertices] = avatar.flanks.source
    points = torch.stack([avatar.source, aside])
    solid = find_solid_faces(points, avatar.faces, avatar.photo, avatar.thick, avatar.photos)
    solid[avatar.cuffs.faces] = False
    return solid
