"""Data and weights on disk: where they are, what they are, whose they are. Pickles are not run; see `tensors_of`."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as of_bytes
from safetensors.torch import load_file, save_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from motion_imitate.files import replaced, trouble

HOMES = (Path(__file__).parent / "assets", Path(__file__).parent.parent / "assets")  # installed; a checkout


class MissingWeights(FileNotFoundError):
    """A file of weights that is not there, and what to do about it."""


def find(name: str) -> Path:
    """The asset called `name`, of an installed package or of a checkout."""
    for home in HOMES:
        if (home / name).exists():
            return home / name
    raise MissingWeights(
        f"no asset {name!r} beside the package; reinstall it, `motion-imitate weights` lists what belongs there"
    )


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the file says of itself, and its tensors."""
    if not path.exists():
        raise MissingWeights(f"no weights at {path}; `motion-imitate weights` lists what there is and where it goes")
    try:
        with safe_open(path, "pt") as file:
            about = {k: json.loads(v) for k, v in (file.metadata() or {}).items()}
            return about, {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118, not a dict
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is damaged, or no safetensors file of ours ({error}); if it came with the program, reinstall that"
        ) from None


def tensors_of(path: Path, digest: str | None = None) -> dict[str, Tensor]:
    """Of somebody else's .safetensors, .pth or .pt; `digest` is the SHA-256 that the file must have.

    Of a pickle, torch takes tensors and refuses all else.
    """
    if not path.exists():
        raise MissingWeights(f"no weights at {path}; give the path of a .safetensors, .pth or .pt file")
    if digest is not None and (found := sha256(path)) != digest.lower():
        raise ValueError(f"{path} is not the file that was meant: its SHA-256 is {found}, not {digest}; get it anew")
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise ValueError(f"weights are not read from {path}; give a .safetensors, .pth or .pt file")
    try:
        stored = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # torch raises whatever a damaged file makes it trip over
        why = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise ValueError(f"{path} holds no plain tensors, or is damaged ({why}); get it anew") from None
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ValueError(f"{path} is no dict of tensors; save the network's state_dict() alone")
    return dict(stored)


def packed(tensors: dict[str, Tensor]) -> bytes:
    """To hand to another process."""
    return to_bytes({k: v.contiguous() for k, v in tensors.items()})


def unpacked(data: bytes) -> dict[str, Tensor]:
    return of_bytes(data)


def write(path: Path, about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Whole or not at all."""
    solid = {k: v.contiguous() for k, v in tensors.items()}
    with replaced(path) as part, trouble(path, SafetensorError):
        save_file(solid, part, metadata={k: json.dumps(v) for k, v in about.items()})


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Asset:
    """A shipped file: what it is, who made it, under which licence. assets/manifest.json lists them all."""

    file: str
    what: str
    origin: str
    licence: str
    sha256: str


def manifest() -> list[Asset]:
    return [Asset(**entry) for entry in json.loads(find("manifest.json").read_text())]
