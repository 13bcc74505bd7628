"""Data and weights on disk: where they are, what they are, whose they are. Nothing here is ever unpickled."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
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
