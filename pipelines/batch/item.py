"""One item of a batch: its inputs, options and cache key."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from math import inf
from pathlib import Path

from motion_imitate.weights import find
from pipelines.imitate.options import Drawing, Imitating
from pipelines.motion.options import Looking, Seeing

SCENES = ("photo", "driving", "alpha")  # backgrounds that are no files
INSIDE = ".batch"  # of a folder of results


@dataclass(frozen=True)
class Item:
    """A video that is to be made."""

    id: str  # the output below the batch's folder
    photos: tuple[Path, ...]
    clip: Path
    out: Path
    drawing: Drawing
    looking: Looking
    key: str = ""  # of all that the output depends on
    motion: Path | None = None  # where the clip's motion is stored, for all who do the same
    limit: float = inf  # seconds of the clip
    since: float | None = None  # where `motion` is the person's own, of a part of a video: the second that begins it

    def imitating(self) -> Imitating:
        return Imitating(**vars(self.drawing))

    def seeing(self) -> Seeing:
        return Seeing(**vars(self.looking), workers=1, threads=1)


def placed(drawing: Drawing, here: Path) -> Drawing:
    """Files are found from anywhere."""
    weights = drawing.weights and here / drawing.weights
    scene = here / drawing.background
    named = drawing.background not in SCENES and there(scene)
    return replace(drawing, weights=weights, background=str(scene) if named else drawing.background)


def there(path: Path) -> bool:
    """Whether it is a file; a name that cannot be one is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def readable(text: str) -> str:
    """Names of files may be bytes that are no text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def keyed(item: Item, contents: Callable[[Path], str], motions: Path) -> Item:
    """With its key, and a place for its clip's motion."""
    clip = contents(item.clip)
    behind = Path(item.drawing.background)
    photos = [contents(photo) for photo in item.photos]
    settings = {"drawing": asdict(item.drawing), "looking": asdict(item.looking)}
    others = [contents(path) for path in (behind, item.drawing.weights) if path and path.is_file()]
    wishes = json.dumps(settings, sort_keys=True, default=str)
    key = digest([version(), clip, *photos, *others, wishes, item.out.suffix])
    motion = motions / f"{digest([version(), clip, json.dumps(settings['looking'], sort_keys=True)])}.npz"
    streams = item.drawing.background == "driving" or item.drawing.preview  # which need more, or less, than the motion
    return replace(item, key=key, motion=None if streams else motion)


def digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def version() -> str:
    """Of the program and its weights."""
    from pipelines.provenance import maker

    return f"{maker()} {hashlib.sha256(find('manifest.json').read_bytes()).hexdigest()}"
