"""A store of people who are coloured ovals, made in no time."""

import json
from pathlib import Path

import numpy as np
import torch

from motion_imitate.training.decoded_store import DECODED_FOLDER, INDEX_FILE, DecodedStore, describe_shards

JOINTS, SHAPES = 5, 4


def oval_store(people=6, views=4, size=(64, 48), lights=2, seed=0, joints=JOINTS, shapes=SHAPES) -> DecodedStore:
    """Each person has a colour of their own; each view a place of its own, where head and body are."""
    random = torch.Generator().manual_seed(seed)
    count = people * views
    rows, columns = ((torch.arange(n) + 0.5) * 2 / n - 1 for n in size)
    centre = torch.rand(count, 2, generator=random) - 0.5
    across, down = (columns - centre[:, :1])[:, None] / 0.3, (rows - centre[:, 1:])[:, :, None] / 0.45
    alpha = across.square() + down.square() < 1
    shades = (alpha * (0.85 + 0.15 * torch.sin(4 * down)))[:, None]
    hue = (0.2 + 0.8 * torch.rand(people, 3, generator=random)).repeat_interleave(views, 0)
    points = centre[:, None] + torch.rand(33, 2, generator=random) * 0.4 - 0.2
    part = torch.where(alpha, 1 + (down > 0).to(torch.uint8), 0).to(torch.uint8)
    bytes_of = lambda x: (x.clamp(0, 1) * 255).to(torch.uint8)  # noqa: E731
    arrays = {
        "colour": bytes_of(hue[:, :, None, None] * shades),
        "alpha": bytes_of(alpha.float()),
        **{name: part for name in ("part", "seen_part")},
        **{name: bytes_of((across + 1) / 2 * alpha) for name in ("u", "seen_u")},
        **{name: bytes_of((down + 1) / 2 * alpha) for name in ("v", "seen_v")},
        "points": points,
        "points_seen": torch.ones(count, 33),
        "face": torch.cat([centre - torch.tensor([0.15, 0.4]), centre + torch.tensor([0.15, -0.1])], 1),
        "face_turned": torch.ones(count),
        "body.pose": torch.eye(3).expand(count, joints, 3, 3).contiguous(),
        "body.shape": torch.zeros(count, shapes),
        "camera.focal": torch.ones(count, 2),
        "camera.centre": torch.zeros(count, 2),
        "camera.place": torch.tensor([0.0, 0.0, 3.0]).expand(count, 3).contiguous(),
        "scenes": bytes_of(torch.rand(3, 3, *size, generator=random)),
    }
    return DecodedStore(arrays, views, lights)


def write_oval_store(folder: Path, **how) -> None:
    """A folder that holds such a store as if it had been decoded; its shards are empty."""
    store = oval_store(**how)
    (folder / DECODED_FOLDER).mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({"views": store.views, "lights": store.lights}))
    shards = [folder / f"{kind}_000000.safetensors" for kind in ("people", "scenes")]
    for shard in shards:
        shard.touch()
    for name, array in store.arrays.items():
        np.save(folder / DECODED_FOLDER / f"{name}.npy", array.numpy())
    (folder / DECODED_FOLDER / INDEX_FILE).write_text(describe_shards(shards))
