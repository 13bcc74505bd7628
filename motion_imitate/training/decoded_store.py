"""A store of synthetic people, decoded once into arrays on disk that are mapped into memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import numpy as np
import torch
from torch import Tensor

from motion_imitate.files import raise_output_errors
from motion_imitate.synthesis.shard_coding import LabelledPictures
from motion_imitate.synthesis.store import read_people_shard, read_scene_shard
from motion_imitate.types import Batched

MEMORY_SHARE = 0.5  # of a GPU's free memory that a store may take

DECODED_FOLDER, INDEX_FILE, SETTINGS_FILE = "decoded", "index.json", "settings.json"
DECODED_FIELDS = (
    *("colour", "alpha", "part", "u", "v", "seen_part", "seen_u", "seen_v"),
    *("points", "points_seen", "face", "face_turned", "body", "camera"),
)


@dataclass(frozen=True)
class DecodedStore:
    """All pictures of a store, person after person, and its scenes, as arrays by name."""

    arrays: dict[str, Tensor]
    views: int  # of each person
    lights: int  # consecutive views that share light, lens and framing

    @property
    def people(self) -> int:
        """Number of people."""
        return len(self.arrays["alpha"]) // self.views

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        height, width = self.arrays["alpha"].shape[1:]
        return height, width

    def to(self, device: torch.device | str) -> "DecodedStore":
        """The store in the device's memory if it fits; where it is, otherwise."""
        bytes_held = sum(array.nbytes for array in self.arrays.values())
        if torch.device(device).type == "cuda" and bytes_held > MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]:
            return self
        return replace(self, arrays={name: array.to(device) for name, array in self.arrays.items()})


def open_decoded_store(store: Path) -> DecodedStore:
    """The store's arrays; decodes them into a folder of the store if its files have changed."""
    if not (store / SETTINGS_FILE).is_file():
        raise FileNotFoundError(f"no store of synthetic people at {store}; make one with `motion-imitate synthesize`")
    settings = json.loads((store / SETTINGS_FILE).read_text())
    shards, scenes = (sorted(store.glob(f"{kind}_*.safetensors")) for kind in ("people", "scenes"))
    for found, kind in ((shards, "people"), (scenes, "scenes")):
        if not found:
            raise ValueError(f"the store {store} holds no {kind}; finish it with `motion-imitate synthesize`")
    decoded, index = store / DECODED_FOLDER, describe_shards([*shards, *scenes])
    if not (decoded / INDEX_FILE).is_file() or (decoded / INDEX_FILE).read_text() != index:
        with raise_output_errors(store):
            decode_store(store, shards, scenes, index)
    arrays = {path.stem: torch.from_numpy(np.load(path, mmap_mode="c")) for path in sorted(decoded.glob("*.npy"))}
    return DecodedStore(arrays, int(settings["views"]), int(settings["lights"]))


def describe_shards(shards: list[Path]) -> str:
    """Names, sizes and times of files as JSON: arrays decoded from other files are out of date."""
    stats = [(path.name, path.stat()) for path in shards]
    return json.dumps([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats] + [list(DECODED_FIELDS)])


def decode_store(store: Path, shards: list[Path], scenes: list[Path], index: str) -> None:
    """Write the arrays, all or none."""
    part = Path(mkdtemp(prefix=f".{DECODED_FOLDER}.", dir=store))
    try:
        write_stacked_arrays(part, (name_tensors(read_people_shard(path)) for path in shards), len(shards))
        write_stacked_arrays(part, ({"scenes": read_scene_shard(path)} for path in scenes), len(scenes))
        (part / INDEX_FILE).write_text(index)
        rmtree(store / DECODED_FOLDER, ignore_errors=True)
        part.rename(store / DECODED_FOLDER)
    finally:
        rmtree(part, ignore_errors=True)


def name_tensors(pictures: LabelledPictures) -> dict[str, Tensor]:
    """The decoded fields as tensors by name, those of nested fields by dotted name."""
    found: dict[str, Tensor] = {}
    for name in DECODED_FIELDS:
        value = getattr(pictures, name)
        if isinstance(value, Batched):
            found |= {f"{name}.{f.name}": getattr(value, f.name) for f in fields(value)}
        else:
            found[name] = value
    return found


def write_stacked_arrays(folder: Path, groups: Iterator[dict[str, Tensor]], count: int) -> None:
    """Stack `count` groups of equally long tensors into one array of each name."""
    arrays: dict[str, np.ndarray] = {}
    for number, group in enumerate(groups):
        for name, tensor in group.items():
            if name not in arrays:
                shape = (count * len(tensor), *tensor.shape[1:])
                dtype = tensor.numpy().dtype
                arrays[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
            rows = arrays[name][number * len(tensor) : (number + 1) * len(tensor)]
            if rows.shape != tensor.shape:
                raise ValueError("the people of the store have different numbers of pictures; make the store anew")
            rows[:] = tensor.numpy()
    for array in arrays.values():
        array.flush()  # type: ignore[attr-defined]
