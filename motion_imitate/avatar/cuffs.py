"""Cuffs: where the arms of a photo end and its hands begin. There the arms are cut when the body's hands appear, before
what the photo shows inside an open cuff."""

from dataclasses import fields, replace

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar, CuffFaces, TurningVertices
from motion_imitate.avatar.layer_rim import find_unlike
from motion_imitate.avatar.masks import Box, Mask, Plane, mask_box
from motion_imitate.avatar.photo_layers import LABEL_ALPHA, SKIN, PhotoHand, PhotoLayers

CUFF_MARGIN = 0.25  # of the way from the wrist to the middle of the hand, before the cuff's ragged end, where it is cut
MOST_DRAWN_BACK = 0.4  # of that way, by which a cuff ends before the wrist, at most
SLEEVE_PIECE = (0.6, 2.0)  # of that way before the wrist: the piece of a sleeve that tells how it looks
LEAST_SLEEVE_PIXELS = 50
HAND_SPAN = 3.0  # of that way around the wrist: what is farther is no hand


def find_cuff(image: Plane, layers: PhotoLayers, layer: int, hand: PhotoHand) -> float:
    """Where an arm ends, along its hand: 0 at the wrist, 1 at the middle of the hand."""
    size, box = np.hypot(*hand.way), mask_box(layers.seen(layer))
    along = hand.along(centres_in_box(box)).reshape(layers.kind[box].shape)
    arm, bare = layers.seen(layer)[box] & (layers.alpha[box] > LABEL_ALPHA), layers.kind[box] == SKIN
    sleeve = arm & ~bare & (along < -SLEEVE_PIECE[0]) & (along > -SLEEVE_PIECE[1])
    if sleeve.sum() >= LEAST_SLEEVE_PIXELS:
        bare |= find_unlike(image[box], sleeve, SLEEVE_PIECE[0] * size) > 0.5
    return find_cuff_end(along[arm], bare[arm])


def find_cuff_end(along: NDArray[np.float64], bare: Mask) -> float:
    """A little before where the fewest pixels are cloth beyond, or skin before, up to the middle of the hand.

    `along`: of pixels of an arm, 0 at its wrist, 1 at the middle of its hand.
    """
    near = np.abs(along) < 1
    order = along[near].argsort()
    beyond = np.concatenate([[0], np.where(bare[near][order], 1, -1).cumsum()])  # skin less cloth, before each place
    places = np.concatenate([[-1.0], along[near][order]])
    return float(max(places[beyond.argmin()] - CUFF_MARGIN, -MOST_DRAWN_BACK))


def beyond_cuff(points: NDArray[np.float64], hand: PhotoHand, cuff: float) -> Mask:
    """Which pixel positions [N, 2] are of the hand, beyond the cuff."""
    near = np.hypot(*(points - hand.wrist).T) < HAND_SPAN * np.hypot(*hand.way)
    return np.asarray(near & (hand.along(points) > cuff))


def cut_cuff(page: UInt8[Tensor, "H W 4"], hand: PhotoHand, cuff: float) -> UInt8[Tensor, "H W 4"]:
    """An arm's texture that ends at its cuff."""
    cut, reach = page.clone(), HAND_SPAN * np.hypot(*hand.way)
    left, top = np.maximum(hand.wrist - reach, 0).astype(int)
    right, bottom = np.maximum(hand.wrist + reach, 0).astype(int)
    box = slice(top, min(bottom, len(cut))), slice(left, min(right, cut.shape[1]))
    alpha, at = cut[*box, 3], centres_in_box(box)
    before = (cuff - hand.along(at)) * np.hypot(*hand.way) + 0.5  # soft over a texel, so that the cut is straight
    kept = torch.from_numpy(np.where(beyond_cuff(at, hand, cuff - 1), before.clip(0, 1), 1)).view(alpha.shape)
    alpha.copy_((alpha * kept).round())
    return cut


def cut_arm(
    avatar: Avatar, layer: int, beyond: Bool[Tensor, " V"], page: UInt8[Tensor, "H W 4"]
) -> tuple[Avatar, Bool[Tensor, " V"]]:
    """The avatar with a texture that ends at an arm's cuff, for when the body's next hand has appeared, and which of
    the arm's vertices are only of faces beyond."""
    across = (avatar.layer == layer) & beyond[avatar.faces].any(1)
    whole, outer = (torch.zeros_like(beyond) for _ in range(2))
    whole[avatar.faces[across]] = True
    outer[avatar.faces[across & ~beyond[avatar.faces].all(1)]] = True
    faces, cuffs, flanks = across.nonzero()[:, 0], avatar.cuffs, avatar.flanks
    number, photo = torch.full_like(faces, len(avatar.body_hands)), torch.full_like(faces, len(avatar.photos))
    cut = CuffFaces(
        torch.cat([cuffs.faces, faces]),
        torch.cat([cuffs.hand, number]),
        torch.cat([cuffs.photo, photo]),
        torch.zeros(len(avatar.body_hands) + 1),
    )
    still = ~whole[flanks.vertices]  # flanks that turn would show what is not at the cuff
    kept = TurningVertices(*(getattr(flanks, each.name)[still] for each in fields(flanks)))
    photos = torch.cat([avatar.photos, page[None]])
    return replace(avatar, cuffs=cut, flanks=kept, solid=avatar.solid & ~across, photos=photos), whole & ~outer


def centres_in_box(box: Box) -> NDArray[np.float64]:
    """The positions of a box's pixels, [N, 2]."""
    y, x = np.mgrid[box] + 0.5
    return np.stack([x.ravel(), y.ravel()], 1)
