"""Change the pages of an avatar by the kinds of things that they show."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import OPAQUE_ALPHA, Avatar
from motion_imitate.avatar.layer_texture import DEEPEST_FOLD, fold_coordinates, read_pixels
from motion_imitate.avatar.masks import (
    Mask,
    blur_plane,
    blur_within,
    distance_to_edge,
    grow_mask,
    open_mask,
    smoothstep,
    spread_colours,
)
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import FACE, HAIR, LAYERS, LEAST_PIECE, ONE_PIECE, SKIN, TRUNK, UPPER
from motion_imitate.geometry.raster_numba import Floats

TRUNK_BACK = len(LAYERS)  # the page of the trunk's back
BORDER_BLUR = 0.8  # pixels
CUT_MARGIN = 1.0  # pixels beside what is cut off, which have some of its colour
KIND_MARGIN = 0.005  # of a page's height, within which colours of two kinds are mixed
LEAST_KNOWN = 200  # texels of a kind, to take colours from
PLAIN_REACH = 0.02  # of a page's height, over which colours turn into the usual one
ALIKE, ALIKE_REACH = 0.6, 0.06  # share of another distance of colours; of a page's height
FOLD_BLUR, FOLD_RANGE = 0.006, (0.6, 1.3)  # of a page's height; of the usual light
PRINT_DISTANCE, MOSTLY_PLAIN = 60.0, 0.6  # steps of 255 from the usual colour; share of cloth that is nearer
CLOTHES_ABOVE = (UPPER, ONE_PIECE)
CLOTHES = tuple(KIND_NAMES.index(name) for name in ("upper", "lower", "one_piece", "shoes"))


def drop_fragments(mask: Mask) -> Mask:
    """The mask without pieces that are small beside its largest."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    large = area >= LEAST_PIECE * area[1:].max(initial=0)
    large[0] = False
    return np.asarray(large[pieces])


def folds_of_cloth(colours: Floats, where: Mask) -> Floats:
    """Light and shade of what a page shows somewhere, without its pattern, relative to the usual light there."""
    sigma = FOLD_BLUR * len(where)
    light = blur_within(colours.mean(2), where, sigma)
    usual = float(np.median(light[where])) if where.any() else 1.0
    return np.asarray((light / max(usual, 1.0)).clip(*FOLD_RANGE)[..., None], np.float32)


class PagePainter:
    """Changes the pages of an avatar by the kinds of things that they show."""

    def __init__(self, avatar: Avatar, layer: Int[Tensor, " F"]) -> None:
        self.avatar = avatar
        self.photos = avatar.photos.clone()
        self.layers = dict(enumerate(LAYERS)) | {TRUNK_BACK: TRUNK}  # of pages
        of_contacts = zip(avatar.contacts.photo.tolist(), layer[avatar.contacts.faces].tolist(), strict=True)
        self.layers |= dict(of_contacts)

    def pages_of(self, layers: Sequence[int], kinds: Sequence[int]) -> list[tuple[int, Mask]]:
        """The pages of layers that show some of the kinds, and where."""
        found = []
        for page, layer in self.layers.items():
            if layer in layers and page < len(self.photos):
                where = np.isin(self.avatar.kinds[layer].numpy(), kinds)
                if where.any():
                    found.append((page, where))
        return found

    def texels_of(self, faces: Bool[Tensor, " F"]) -> Mask:
        """Where faces read the pages of layers."""
        height, width = self.photos.shape[1:3]
        points = (self.avatar.source + 1) / 2 * torch.tensor([width, height])
        corners = points[self.avatar.faces[faces]].round().int().numpy()
        mask = np.zeros((height, width), np.uint8)
        for triangle in corners:
            cv2.fillConvexPoly(mask, triangle, 1)
        return np.asarray(mask > 0)

    def cut(self, layers: Sequence[int], kinds: Sequence[int], beside: Mask | None = None) -> None:
        """Let some kinds be transparent, `beside` what stays; small pieces in something else stay, too."""
        for page, where in self.pages_of(layers, kinds):
            where = drop_fragments(where)
            if beside is not None:
                where &= ~beside
            alpha = self.photos[page, ..., 3].float() * (
                1 - torch.from_numpy(blur_plane(grow_mask(where, CUT_MARGIN), BORDER_BLUR))
            )
            self.photos[page, ..., 3] = (alpha + 0.5).to(torch.uint8)

    def keep(self, layers: Sequence[int], kinds: Sequence[int]) -> None:
        """Let all kinds but some be transparent."""
        self.cut(layers, [kind for kind in range(len(KIND_NAMES)) if kind not in kinds])

    def repaint(
        self,
        layers: Sequence[int],
        kinds: Sequence[int],
        like: Sequence[int],
        plain: bool = False,
        only: Mask | None = None,
    ) -> None:
        """Let some kinds have the colours of others: reflected about the border, or plain ones."""
        unit = self.photos.shape[1]
        for page, where in self.pages_of(layers, kinds):
            shown = np.isin(self.avatar.kinds[self.layers[page]].numpy(), like)
            opaque = (self.photos[page, ..., 3] > OPAQUE_ALPHA).numpy()
            where = self.add_alike(page, where, kinds, like)
            where = np.asarray(grow_mask(where, KIND_MARGIN * unit))
            if only is not None:
                where &= only
            known = open_mask(np.asarray(shown & opaque & ~where), KIND_MARGIN * unit)
            if known.sum() > LEAST_KNOWN:
                old = self.photos[page, ..., :3].numpy().astype(np.float32)
                unprinted = known & (self.distance_to(page, like) < PRINT_DISTANCE)
                if not plain and unprinted.sum() > MOSTLY_PLAIN * known.sum():
                    known = open_mask(unprinted, KIND_MARGIN * unit)
                if plain:
                    new = spread_colours(old, known)
                    if self.layers[page] == TRUNK:
                        far = smoothstep(-distance_to_edge(known), 0.0, PLAIN_REACH * unit)[..., None]
                        usual = np.median(self.usual_colour(like, old[known]), axis=0)
                        new += (usual * folds_of_cloth(old, where & opaque) - new) * far
                else:
                    new = read_pixels(old, fold_coordinates(known, where, DEEPEST_FOLD * unit))
                share = blur_plane(where, BORDER_BLUR)[..., None]
                self.photos[page, ..., :3] = torch.from_numpy(old + (new - old) * share + 0.5).to(torch.uint8)

    def usual_colour(self, kinds: Sequence[int], known: Floats) -> Floats:
        """The colours of kinds in the whole photo, or else known ones."""
        colours = self.avatar.kind_colours[list(kinds)].numpy() * np.float32(255)
        colours = colours[np.isfinite(colours).all(1)]
        return colours if len(colours) else known

    def add_alike(self, page: int, where: Mask, kinds: Sequence[int], others: Sequence[int]) -> Mask:
        """What has a kind's colour near where that kind is, which the page has laid beneath other layers."""
        if tuple(kinds) != (HAIR,):
            return where
        own, other = (self.distance_to(page, some) for some in (kinds, others))
        near = grow_mask(where, ALIKE_REACH * len(where))
        laid = np.isin(self.avatar.kinds[self.layers[page]].numpy(), others)
        return np.asarray(where | (near & laid & (own < ALIKE * other)))

    def distance_to(self, page: int, kinds: Sequence[int]) -> Floats:
        """How far colours of a page are from the nearest usual one of some kinds."""
        usual = self.avatar.kind_colours[list(kinds)].numpy() * np.float32(255)
        colours = self.photos[page, ..., :3].numpy().astype(np.float32)
        away = [np.linalg.norm(colours - each, axis=-1) for each in usual if np.isfinite(each).all()]
        return np.min(away, axis=0) if away else np.full(colours.shape[:2], np.inf, np.float32)

    def finish(self, gain: Float[Tensor, "3"]) -> Avatar:
        """The avatar with the pages, skin on them multiplied; on pages of no layer, what is like skin."""
        if bool((gain != 1).any()):
            for page in range(len(self.photos)):
                layer = self.layers.get(page)
                bare = self.distance_to(page, (SKIN, FACE))
                where = (
                    bare <= self.distance_to(page, CLOTHES)
                    if layer is None
                    else np.isin(self.avatar.kinds[layer].numpy(), (SKIN, FACE))
                    & ~(self.distance_to(page, CLOTHES_ABOVE) < ALIKE * bare)
                )
                share = torch.from_numpy(blur_plane(where, BORDER_BLUR))[..., None]
                colours = self.photos[page, ..., :3]
                scaled = colours * (1 + (gain - 1) * share)
                self.photos[page, ..., :3] = (scaled + 0.5).clamp(max=255).to(torch.uint8)
        return replace(self.avatar, photos=self.photos)
