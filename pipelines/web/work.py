"""What worker processes are asked to do."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipelines.avatar.options import AvatarOptions
from pipelines.batch.item import BatchItem

AVATAR = "avatar"
PROGRESS_FILE = "progress.json"  # beside a job's result
UploadKind = Literal["photo", "clip", "motion", "background"]


@dataclass(frozen=True)
class InspectUpload:
    """Look at an uploaded file as the command line does, and make a small picture of it."""

    id: str
    kind: UploadKind
    file: Path
    picture: Path


@dataclass(frozen=True)
class Inspected:
    """What was found in an upload, or why it is refused."""

    about: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True)
class AvatarItem:
    """An avatar to export."""

    id: str
    photo: Path
    out: Path
    how: AvatarOptions

    @property
    def task(self) -> str:
        """The command that the item is for."""
        return AVATAR


WebItem = BatchItem | AvatarItem


def hide_paths(sentence: str, names: dict[Path, str]) -> str:
    """The sentence with the visitors' own names in the place of paths, and without a file's name before it."""
    for path, name in names.items():
        inside = re.compile(re.escape(str(path)) + r"(/[\w.]*\w)*")
        sentence = inside.sub(name.replace("\\", r"\\"), sentence).removeprefix(f"{path.name}: ")
    return sentence
