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
from pipelines.dress.options import DressOptions
from pipelines.imitate.options import ImitateOptions, RenderOptions
from pipelines.motion.options import BaseEstimationOptions, EstimationOptions
from pipelines.novel_view.options import NovelViewOptions
from pipelines.rendering.clothes_options import NO_CLOTHES, ClothesOptions, split_clothes
from pipelines.rendering.options import allowed_suffixes
from pipelines.rendering.picture import picture_suffixes

DrawingOptions = RenderOptions | NovelViewOptions | DressOptions
AnyDrawing = TypeVar("AnyDrawing", bound=DrawingOptions)
BACKGROUND_KEYWORDS = ("photo", "driving", "alpha")  # backgrounds that are not files
IMITATE, NOVEL_VIEW, DRESS = TASKS = ("imitate", "novel-view", "dress")  # what an item may be for
BATCH_STATE_FOLDER = ".batch"  # subfolder of the output folder


@dataclass(frozen=True)
class BatchItem:
    """A video, or pictures, to render, with inputs, options and output."""

    id: str  # output path relative to the batch's folder
    photos: tuple[Path, ...]
    clip: Path | None  # of `RenderOptions`
    out: Path
    drawing: DrawingOptions
    looking: BaseEstimationOptions
    key: str = ""  # hash of everything that the output depends on
    motion: Path | None = None  # file of the clip's motion, shared by its items
    limit: float = inf  # seconds of the clip to render
    video_start: float | None = (
        None  # of a segment, whose `motion` is retargeted already: first second of the whole video
    )
    continued: tuple[Padding, ...] = ()  # of a segment: how the photo was continued before it
    wear: ClothesOptions = NO_CLOTHES

    @property
    def task(self) -> str:
        """The command that the item is for."""
        if isinstance(self.drawing, DressOptions):
            return DRESS
        return NOVEL_VIEW if isinstance(self.drawing, NovelViewOptions) else IMITATE

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes that the output may have."""
        if isinstance(self.drawing, DressOptions) or (
            isinstance(self.drawing, NovelViewOptions) and self.drawing.azimuth
        ):
            return picture_suffixes(self.drawing.background)
        return allowed_suffixes(self.drawing)

    def imitate_options(self) -> ImitateOptions:
        """The options of `imitate` for this item."""
        return ImitateOptions(**vars(self.drawing))

    def motion_options(self) -> EstimationOptions:
        """The motion options for this item, with one worker and one thread."""
        return EstimationOptions(**vars(self.looking), workers=1, threads=1)


def resolve_drawing_paths(drawing: AnyDrawing, here: Path) -> AnyDrawing:
    """The options with file paths resolved against a folder."""
    scene = here / drawing.background
    named = drawing.background not in BACKGROUND_KEYWORDS and is_existing_file(scene)
    drawing = replace(drawing, background=str(scene)) if named else drawing
    if isinstance(drawing, DressOptions) or drawing.weights is None:
        return drawing
    return replace(drawing, weights=here / drawing.weights)


def resolve_clothes_paths(wear: ClothesOptions, here: Path) -> ClothesOptions:
    """The clothes with the paths of their photos resolved against a folder."""
    given = [split_clothes(text) for text in wear.clothes]
    return replace(wear, clothes=tuple(f"{part}={here / path}" if part else str(here / path) for part, path in given))


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
    settings |= {"wear": asdict(item.wear)} if item.wear.clothes else {}
    weights = None if isinstance(item.drawing, DressOptions) else item.drawing.weights
    named = (behind, weights, *item.wear.photos.values())
    others = [contents(path) for path in named if path and path.is_file()]
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
