"""Weights and other assets on disk: find, read, write and verify them.

Pickled code is never run; see `load_third_party_tensors`.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as of_bytes
from safetensors.torch import load_file, save_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from motion_imitate.files import raise_output_errors, write_atomically

ASSET_FOLDERS = (
    Path(__file__).parent / "assets",
    Path(__file__).parent.parent / "assets",
)  # installed package; checkout


class MissingWeights(FileNotFoundError):
    """A weights file is missing; the message says how to get it."""


def find_asset(name: str) -> Path:
    """Return the path of an asset of the installed package or the checkout."""
    for home in ASSET_FOLDERS:
        if (home / name).exists():
            return home / name
    raise MissingWeights(
        f"no asset {name!r} in the package; reinstall motion-imitate (`motion-imitate weights` lists its assets)"
    )


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the metadata and the tensors of a safetensors file."""
    if not path.exists():
        raise MissingWeights(f"no weights at {path}; `motion-imitate weights` lists the files and where they go")
    try:
        with safe_open(path, "pt") as file:
            about = {k: json.loads(v) for k, v in (file.metadata() or {}).items()}
            return about, {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  safe_open is not a dict
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is damaged or was not written by motion-imitate ({error}); if it is a shipped file, reinstall"
        ) from None


THIRD_PARTY_SUFFIXES = ".safetensors, .npz, .pth or .pt"


def load_third_party_tensors(path: Path, digest: str | None = None, inside: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Load tensors from a third party's .safetensors, .npz, .pth or .pt file. `digest` is the expected SHA-256.

    Pickles are loaded with torch's `weights_only`, which refuses everything but tensors and plain values. A dict of
    tensors may be nested under one of the names `inside`.
    """
    if not path.exists():
        raise MissingWeights(f"no weights at {path}; give the path of a {THIRD_PARTY_SUFFIXES} file")
    if digest is not None and (found := file_sha256(path)) != digest.lower():
        raise ValueError(f"{path} has SHA-256 {found}, expected {digest}; download it again")
    if path.suffix not in THIRD_PARTY_READERS:
        raise ValueError(f"{path} is not a supported weights file; give a {THIRD_PARTY_SUFFIXES} file")
    try:
        stored = THIRD_PARTY_READERS[path.suffix](path)
    except Exception as error:  # torch raises many types of exceptions on damaged files
        why = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise ValueError(f"{path} holds no plain tensors, or is damaged ({why}); download it again") from None
    if isinstance(stored, dict):
        stored = next((stored[name] for name in inside if isinstance(stored.get(name), dict)), stored)
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ValueError(f"{path} is not a dict of tensors; save the network's state_dict() alone")
    return dict(stored)


def read_npz_tensors(path: Path) -> dict[str, Tensor]:
    """The arrays of an .npz file as tensors; refuses pickled ones."""
    with np.load(path, allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def read_pickled_tensors(path: Path) -> Any:
    """What torch reads of a pickle without running code in it."""
    return torch.load(path, "cpu", weights_only=True)


THIRD_PARTY_READERS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": load_file,
    ".npz": read_npz_tensors,
    ".pth": read_pickled_tensors,
    ".pt": read_pickled_tensors,
}


def tensors_to_bytes(tensors: dict[str, Tensor]) -> bytes:
    """Serialize tensors to hand them to another process."""
    return to_bytes({k: v.contiguous() for k, v in tensors.items()})


def tensors_from_bytes(data: bytes) -> dict[str, Tensor]:
    """Deserialize tensors from `tensors_to_bytes`."""
    return of_bytes(data)


def write_weights(path: Path, about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write tensors and metadata to a safetensors file atomically."""
    solid = {k: v.contiguous() for k, v in tensors.items()}
    with write_atomically(path) as part, raise_output_errors(path, SafetensorError):
        save_file(solid, part, metadata={k: json.dumps(v) for k, v in about.items()})


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Asset:
    """A shipped file, its origin and its licence. assets/manifest.json lists all of them."""

    file: str
    what: str
    origin: str
    licence: str
    sha256: str


def read_asset_manifest() -> list[Asset]:
    """Read assets/manifest.json."""
    return [Asset(**entry) for entry in json.loads(find_asset("manifest.json").read_text())]
