"""One item of a batch: its inputs, options and cache key."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import TypeVar

from motion_imitate.background.window import Padding
from motion_imitate.weights import find_asset
from pipelines.imitate.options import ImitateOptions, RenderOptions
from pipelines.motion.options import BaseEstimationOptions, EstimationOptions
from pipelines.novel_view.options import NovelViewOptions
from pipelines.rendering.options import PersonOptions, allowed_suffixes
from pipelines.rendering.picture import picture_suffixes

DrawingOptions = TypeVar("DrawingOptions", bound=PersonOptions)
BACKGROUND_KEYWORDS = ("photo", "driving", "alpha")  # backgrounds that are not files
IMITATE, NOVEL_VIEW = TASKS = ("imitate", "novel-view")  # what an item may be for
BATCH_STATE_FOLDER = ".batch"  # subfolder of the output folder


@dataclass(frozen=True)
class BatchItem:
    """A video, or pictures, to render, with inputs, options and output."""

    id: str  # output path relative to the batch's folder
    photos: tuple[Path, ...]
    clip: Path | None  # None for `NovelViewOptions`
    out: Path
    drawing: RenderOptions | NovelViewOptions
    looking: BaseEstimationOptions
    key: str = ""  # hash of everything that the output depends on
    motion: Path | None = None  # file of the clip's motion, shared by its items
    limit: float = inf  # seconds of the clip to render
    video_start: float | None = (
        None  # of a segment, whose `motion` is retargeted already: first second of the whole video
    )
    continued: tuple[Padding, ...] = ()  # of a segment: how the photo was continued before it

    @property
    def task(self) -> str:
        """The command that the item is for."""
        return NOVEL_VIEW if isinstance(self.drawing, NovelViewOptions) else IMITATE

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes that the output may have."""
        if isinstance(self.drawing, NovelViewOptions) and self.drawing.azimuth:
            return picture_suffixes(self.drawing.background)
        return allowed_suffixes(self.drawing)

    def imitate_options(self) -> ImitateOptions:
        """The options of `imitate` for this item."""
        return ImitateOptions(**vars(self.drawing))

    def motion_options(self) -> EstimationOptions:
        """The motion options for this item, with one worker and one thread."""
        return EstimationOptions(**vars(self.looking), workers=1, threads=1)


def resolve_drawing_paths(drawing: DrawingOptions, here: Path) -> DrawingOptions:
    """The options with file paths resolved against a folder."""
    weights = drawing.weights and here / drawing.weights
    scene = here / drawing.background
    named = drawing.background not in BACKGROUND_KEYWORDS and is_existing_file(scene)
    return replace(drawing, weights=weights, background=str(scene) if named else drawing.background)


def is_existing_file(path: Path) -> bool:
    """Whether the path is a file; False also for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def decodable_name(text: str) -> str:
    """The name with undecodable bytes replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def with_cache_key(item: BatchItem, contents: Callable[[Path], str], motions: Path) -> BatchItem:
    """The item with its cache key and the path where its clip's motion is stored."""
    clip = contents(item.clip) if item.clip else item.task
    behind = Path(item.drawing.background)
    photos = [contents(photo) for photo in item.photos]
    settings = {"drawing": asdict(item.drawing), "looking": asdict(item.looking)}
    others = [contents(path) for path in (behind, item.drawing.weights) if path and path.is_file()]
    wishes = json.dumps(settings, sort_keys=True, default=str)
    key = digest_of_parts([version_with_weights(), clip, *photos, *others, wishes, item.out.suffix])
    motion = (
        motions
        / f"{digest_of_parts([version_with_weights(), clip, json.dumps(settings['looking'], sort_keys=True)])}.npz"
    )
    drawing = item.drawing
    stored = isinstance(drawing, RenderOptions) and drawing.background != "driving" and not drawing.preview
    return replace(item, key=key, motion=motion if stored else None)  # the others need more, or less, than the motion


def digest_of_parts(parts: Iterable[str]) -> str:
    """A short SHA-256 of some strings."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def version_with_weights() -> str:
    """The version of the program and its weights, for cache keys."""
    from pipelines.provenance import software_name

    return f"{software_name()} {hashlib.sha256(find_asset('manifest.json').read_bytes()).hexdigest()}"
