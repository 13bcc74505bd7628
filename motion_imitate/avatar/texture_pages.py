"""Paint the pages of an avatar's textures: its layers, the trunk's back, and what layers show once they move."""

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from motion_imitate.avatar.back_texture import complete_back_cloth, complete_back_hair, find_head
from motion_imitate.avatar.body_surface import PhotoBody
from motion_imitate.avatar.contact_shadow import CLEARED_LAYERS, clear_contact_shadow
from motion_imitate.avatar.hanging_hair import HairBeforeTrunk, remove_hair
from motion_imitate.avatar.layer_rim import clean_layer_rim
from motion_imitate.avatar.layer_texture import DEEPEST_FOLD, layer_colours
from motion_imitate.avatar.masks import Plane, mask_box, paste_plane
from motion_imitate.avatar.photo_layers import LAYERS, TRUNK, PhotoLayers, crop_layers


@torch.no_grad()
def paint_textures(
    image: Plane,
    layers: PhotoLayers,
    alphas: Plane,
    body: PhotoBody,
    hair: HairBeforeTrunk,
) -> tuple[UInt8[Tensor, "P H W 4"], dict[int, int]]:
    """The layers' textures, the trunk's seen from the back, and layers without contact shadows and without hair where
    it covers the trunk's sides: which page each has."""
    colours, clear = [], {}
    for layer in LAYERS:
        box = mask_box(alphas[layer] > 0, DEEPEST_FOLD * layers.unit)
        if not alphas[layer].any():
            colours.append(image)
            continue
        part = crop_layers(layers, box)
        seen = layer_colours(image[box], part, alphas[:, *box], layer)
        colours.append(paste_plane(image, seen, box))
        if layer in CLEARED_LAYERS:
            cleared = clear_contact_shadow(image[box], seen, part, layer)
        else:
            cleared = remove_hair(seen, alphas[layer][box], part, layer)
        if layer != TRUNK:
            cleaned = clean_layer_rim(seen if cleared is None else cleared, part, alphas[layer][box], layer)
            cleared = cleared if cleaned is None else cleaned
        if cleared is not None:
            clear[layer] = paste_plane(image, cleared, box)
    front = clear.get(TRUNK, colours[TRUNK])
    head = find_head(layers)
    back = front
    if head is not None:
        cloth = complete_back_cloth(front, alphas[TRUNK], layers, body, head, hair.beyond | (hair.sides > 0))
        back = complete_back_hair(cloth, front, alphas[TRUNK], layers, head)
        for plane in (colours[TRUNK], front):
            plane[hair.beyond] = cloth[hair.beyond]
        if hair.sides.any():
            clear[TRUNK] = np.asarray(front + (cloth - front) * hair.sides[..., None], np.float32)
    pages = [pack_texture(*page) for page in (*zip(colours, alphas, strict=True), (back, alphas[TRUNK]))]
    numbers = {}
    for layer, plane in clear.items():
        numbers[layer] = len(pages)
        pages.append(pack_texture(plane, alphas[layer]))
    return torch.stack(pages), numbers


def pack_texture(colours: Plane, alpha: Plane) -> Tensor:
    """RGB and alpha as bytes."""
    red, green, blue = cv2.split(cv2.convertScaleAbs(np.maximum(colours, 0), alpha=255))
    return torch.from_numpy(cv2.merge([red, green, blue, cv2.convertScaleAbs(alpha, alpha=255)]))
