"""A parsed photo without a network: each pixel of a body is labelled by the limb that lies there."""

import numpy as np
import torch

from motion_imitate.avatar.body_surface import (
    ARM_LIMBS,
    HEAD_LIMB,
    LEG_LIMBS,
    LIMB_NUMBERS,
    SIDES,
    TORSO_LIMB,
    place_body,
)
from motion_imitate.avatar.parse_photo import ParsedPhoto
from motion_imitate.avatar.parsing_net import KIND_NAMES, LAYER_NAMES
from tests.support import painted

LAYER_OF_LIMBS = {"trunk": [TORSO_LIMB, HEAD_LIMB]}
LAYER_OF_LIMBS |= {f"arm_{side}": ARM_LIMBS[side] for side in SIDES}
LAYER_OF_LIMBS |= {f"leg_{side}": LEG_LIMBS[side] for side in SIDES}
KIND_OF_LIMBS = {
    "face": [HEAD_LIMB],
    "skin": [LIMB_NUMBERS[side]["hand"] for side in SIDES],
    "upper": [TORSO_LIMB, *(LIMB_NUMBERS[side][part] for side in SIDES for part in ("forearm", "upperarm"))],
    "lower": [LIMB_NUMBERS[side][part] for side in SIDES for part in ("shin", "thigh")],
    "shoes": [LIMB_NUMBERS[side]["foot"] for side in SIDES],
}


def place(body, camera, size=painted.SIZE):
    return place_body(painted.MODEL, body, camera, size)


def one_hot(numbers, count):
    return torch.nn.functional.one_hot(torch.from_numpy(numbers), count).permute(2, 0, 1).float().contiguous()


def number_limbs(limbs, table, names):
    numbers = np.zeros(limbs.shape, np.int64)
    for name, some in table.items():
        numbers[np.isin(limbs, some)] = names.index(name)
    return numbers


def parse_body(body, change=lambda layer, kind: None):
    """The parsed photo of a placed body, and its matte. `change` edits the numbers of layers and kinds in place."""
    limbs = body.limbs_of(body.whole_surface)
    layer = number_limbs(limbs, LAYER_OF_LIMBS, LAYER_NAMES)
    kind = number_limbs(limbs, KIND_OF_LIMBS, KIND_NAMES)
    change(layer, kind)
    alpha = (layer > 0).astype(np.float32)
    parsed = ParsedPhoto(
        one_hot(layer, len(LAYER_NAMES)), one_hot(kind, len(KIND_NAMES)), torch.from_numpy(alpha)[None]
    )
    return parsed, alpha
