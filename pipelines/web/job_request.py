"""What a visitor asks for, checked as the command line checks it, and turned into an item for a worker."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field

from pipelines.avatar.options import AvatarOptions
from pipelines.batch.item import BACKGROUND_KEYWORDS, BatchItem, DrawingOptions, with_cache_key
from pipelines.batch.row_options import (
    parse_dress_options,
    parse_row_options,
    parse_row_words,
    parse_view_options,
    row_option_values,
    row_parser,
)
from pipelines.dress.command import check_dress_options
from pipelines.dress.options import DressOptions
from pipelines.imitate.command import check_imitate_options
from pipelines.imitate.driver import PREVIEW_LONGEST, PREVIEW_SECONDS
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.novel_view.command import check_novel_view_options
from pipelines.novel_view.options import NovelViewOptions
from pipelines.output_path import UsageError
from pipelines.rendering.clothes import check_clothes_options
from pipelines.rendering.clothes_options import NO_CLOTHES, ClothesOptions
from pipelines.web.option_schema import task_option_schemas
from pipelines.web.store import Upload, WebStore
from pipelines.web.work import AVATAR, AvatarItem, WebItem

PREVIEW_RATE = 15  # frames per second of the preview of a turn
UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
UploadId = Annotated[str, Field(pattern=f"^{UPLOAD_ID.pattern}$", description="id of an upload")]
OptionValue = bool | int | float | str | list[float] | list[str] | None


def document_options(schema: dict[str, Any]) -> None:
    """Add each task's options to the schema of a request."""
    named = {name: about for options in task_option_schemas().values() for name, about in options.items()}
    schema["properties"]["options"] |= {"properties": named, "additionalProperties": False}


class JobRequest(BaseModel):
    """A job: whom to draw, doing what."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=document_options)

    task: Literal["imitate", "novel-view", "dress", "avatar"]
    photos: list[UploadId] = Field(min_length=1, max_length=8, description="photos of one person")
    clip: UploadId | None = Field(None, description="driving video, of imitate")
    motion: UploadId | None = Field(None, description="stored motion instead of a clip; also moves an avatar")
    clothes: dict[Literal["all", "upper", "lower", "shoes"], UploadId] = Field(
        default_factory=dict, description="photo of the clothes, or one per part"
    )
    preview: bool = Field(False, description="the first three seconds, small")
    options: dict[str, OptionValue] = Field(
        default_factory=dict, description="options of the command line; background may also be the id of an upload"
    )

    @property
    def upload_ids(self) -> list[str]:
        """Every upload that it names."""
        background = str(self.options.get("background"))
        others = [
            self.clip,
            self.motion,
            *self.clothes.values(),
            background if UPLOAD_ID.fullmatch(background) else None,
        ]
        return [*self.photos, *(id for id in others if id)]


def plan_job(id: str, request: JobRequest, store: WebStore, device: str) -> WebItem:
    """The item that does what is asked. Raises UsageError, or ValueError, if that cannot be done."""
    find = upload_finder(store)
    photos = tuple(find(photo, ("photo",), "photo").file for photo in request.photos)
    if request.task == AVATAR:
        return plan_avatar(id, request, photos[0], find, store)
    given = checked_options(request)
    if "background" in given:
        given["background"] = resolve_background(str(given["background"]), find)
    looking = BaseEstimationOptions(device=device)
    clip = motion = None
    wear, drawing = NO_CLOTHES, RenderOptions()
    clothes = clothes_words(request, find)
    if request.task == "imitate":
        wear = parse_clothes(clothes, given.pop("parts", "all"))
        drawing, looking = parse_row_options(given, drawing, looking, "options")
        clip, motion = driver_files(request, find)
        made: DrawingOptions = replace(drawing, preview=request.preview)
        check_clothes_options(wear, drawing.renderer)
    elif request.task == "novel-view":
        made = preview_views(parse_view_options(given, drawing, looking, "options"), request.preview)
    else:
        made, wear = parse_dress_options(given | {"clothes": list(clothes)}, drawing, looking, "options")
        made = replace(made, size=min(made.size, PREVIEW_LONGEST)) if request.preview else made
    item = BatchItem(id, photos, clip, store.job_folder(id), made, looking, motion=motion, wear=wear)
    check_item(item)
    item = replace(item, out=item.out / f"result{result_suffix(item)}")
    return item if clip is None else with_cache_key(item, digest_of(store), store.motions)


def upload_finder(store: WebStore) -> Callable[[str, tuple[str, ...], str], Upload]:
    """A function that finds an upload of certain kinds."""

    def find(id: str, kinds: tuple[str, ...], what: str) -> Upload:
        upload = store.find_upload(id)
        if upload is None or not upload.file.is_file():
            raise UsageError(f"the {what} is not there any more; choose it again")
        if upload.kind not in kinds:
            raise UsageError(f"{upload.name} was given as a {upload.kind}; choose a {what}")
        return upload

    return find


def digest_of(store: WebStore) -> Callable[[Path], str]:
    """What stands for the contents of an upload in cache keys."""

    def digest(path: Path) -> str:
        upload = store.find_upload(path.parent.name)
        return "" if upload is None else str(upload.about["sha256"])

    return digest


def checked_options(request: JobRequest) -> dict[str, Any]:
    """The options without those left at their default. Raises UsageError for one that the task does not have."""
    known = task_option_schemas()[request.task]
    if unknown := [name for name in request.options if name not in known]:
        raise UsageError(f"{request.task} has no option {unknown[0]!r} here; choose from {', '.join(known)}")
    return {name: value for name, value in request.options.items() if value not in (None, "")}


def resolve_background(given: str, find: Callable[[str, tuple[str, ...], str], Upload]) -> str:
    """A keyword, a colour, or the path of an upload; never a path that a visitor gives."""
    if given in BACKGROUND_KEYWORDS or COLOUR.fullmatch(given):
        return given
    if not UPLOAD_ID.fullmatch(given):
        raise UsageError(f"the background {given[:40]!r} is not a colour such as #336699; choose one, or a file")
    return str(find(given, ("background", "photo", "clip"), "background").file)


def clothes_words(request: JobRequest, find: Callable[[str, tuple[str, ...], str], Upload]) -> tuple[str, ...]:
    """The photos of clothes as --clothes has them."""
    files = {part: find(id, ("photo",), "photo of the clothes").file for part, id in request.clothes.items()}
    if "all" in files and len(files) > 1:
        raise UsageError("give one photo for all clothes, or one for each part")
    return tuple(str(file) if part == "all" else f"{part}={file}" for part, file in files.items())


def parse_clothes(photos: tuple[str, ...], parts: object) -> ClothesOptions:
    """The clothes that are worn while the person moves."""
    parser = row_parser()

    @parser.default
    def options(*, wear: Annotated[ClothesOptions, Parameter(name="*")] = NO_CLOTHES) -> ClothesOptions:
        return wear

    wear: ClothesOptions = parse_row_words(parser, {"clothes": list(photos), "parts": parts}, "options")
    return wear


def driver_files(
    request: JobRequest, find: Callable[[str, tuple[str, ...], str], Upload]
) -> tuple[Path | None, Path | None]:
    """The clip or the stored motion to follow."""
    if (request.clip is None) == (request.motion is None):
        raise UsageError("choose a clip or a stored motion to follow, one of them")
    if request.clip is not None:
        return find(request.clip, ("clip",), "clip").file, None
    assert request.motion is not None
    return None, find(request.motion, ("motion",), "stored motion").file


def preview_views(how: NovelViewOptions, preview: bool) -> NovelViewOptions:
    """The same, or a short and small version."""
    if not preview:
        return how
    seconds, rate = min(how.seconds, PREVIEW_SECONDS), min(how.rate, PREVIEW_RATE)
    return replace(how, seconds=seconds, size=min(how.size, PREVIEW_LONGEST), rate=rate)


def plan_avatar(
    id: str,
    request: JobRequest,
    photo: Path,
    find: Callable[[str, tuple[str, ...], str], Upload],
    store: WebStore,
) -> AvatarItem:
    """The item of an avatar."""
    parser = row_parser()

    @parser.default
    def options(*, how: Annotated[AvatarOptions, Parameter(name="*")] = AvatarOptions()) -> AvatarOptions:
        return how

    wished = row_option_values(checked_options(request), ["photo_person", "size"], "options")
    how: AvatarOptions = parse_row_words(parser, wished, "options")
    if request.motion is not None:
        how = replace(how, motion=find(request.motion, ("motion",), "stored motion").file)
    return AvatarItem(id, photo, store.job_folder(id) / "result.glb", how)


def result_suffix(item: BatchItem) -> str:
    """The suffix of a result that browsers show."""
    if item.suffixes[0] == ".mov":  # transparent
        return ".webm"
    return item.suffixes[0]


def check_item(item: BatchItem) -> None:
    """Raise UsageError for options that cannot work together. Files are not opened: all were looked at before."""
    if item.drawing.background not in BACKGROUND_KEYWORDS:
        item = replace(item, drawing=replace(item.drawing, background="#000000"))
    if isinstance(item.drawing, DressOptions):
        if not item.wear.clothes:
            raise UsageError("choose a photo of the clothes")
        check_dress_options(item.wear, item.drawing)
    elif isinstance(item.drawing, NovelViewOptions):
        check_novel_view_options(item.drawing)
    else:
        check_imitate_options(replace(item.imitate_options(), motion=item.motion), item.motion_options())
