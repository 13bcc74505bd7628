"""Find the items of a batch: in a folder of videos and photos, or in a CSV or JSONL list."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.batch.item import (
    BATCH_STATE_FOLDER,
    DRESS,
    IMITATE,
    NOVEL_VIEW,
    TASKS,
    BatchItem,
    DrawingOptions,
    decodable_name,
    resolve_clothes_paths,
    resolve_drawing_paths,
)
from pipelines.batch.row_options import parse_dress_options, parse_row_options, parse_view_options
from pipelines.dress.options import DressOptions
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.novel_view.options import NovelViewOptions
from pipelines.output_path import UsageError
from pipelines.rendering.clothes_options import NO_CLOTHES

BATCH_VIDEO_SUFFIXES = (
    ".avi",
    ".flv",
    ".gif",
    ".m2ts",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".ts",
    ".webm",
    ".wmv",
)
BATCH_PHOTO_SUFFIXES = (".avif", ".bmp", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
BATCH_LIST_SUFFIXES = (".csv", ".jsonl")
ROW_INPUTS = {
    IMITATE: "there is no driving video; name one, or give the task novel-view",
    NOVEL_VIEW: "novel-view has no driving video; leave driving empty, or give the task imitate",
    DRESS: "dress has no driving video; leave driving empty, or give the task imitate",
}  # what is wrong with a line whose inputs do not fit its task


def find_batch_items(
    given: Path, sources: Sequence[Path], out: Path, drawing: RenderOptions, looking: BaseEstimationOptions
) -> list[BatchItem]:
    """The batch's items, in the order of their file names or list lines. All paths are absolute, so that workers
    elsewhere can use them."""
    given, out, sources = given.resolve(), out.resolve(), [source.resolve() for source in sources]
    drawing = resolve_drawing_paths(drawing, Path.cwd())
    if not given.exists():
        raise UsageError(f"there is no {given}; give a folder of videos, or a list of them (.csv or .jsonl)")
    if given == out:
        raise UsageError(f"{out} is the input folder; choose another folder for the results, such as a subfolder of it")
    if given.is_dir():
        found = cross_clips_with_photos(given, find_source_photos(sources), out, drawing, looking)
    elif given.suffix.lower() in BATCH_LIST_SUFFIXES:
        found = read_item_list(given, find_source_photos(sources) if sources else [], out, drawing, looking)
    else:
        raise UsageError(f"{given} is neither a folder of videos nor a list of them (.csv or .jsonl)")
    check_item_outputs(found)
    return found


def check_item_outputs(items: Sequence[BatchItem]) -> None:
    """Refuse outputs that would overwrite an input or each other, or have the wrong suffix."""
    twice = [name for name, count in Counter(item.out for item in items).items() if count > 1]
    if twice:
        raise UsageError(f"two videos would be written to {twice[0]}; give each its own name in the list")
    inputs = {
        path.resolve() for item in items for path in (item.clip, *item.photos, *item.wear.photos.values()) if path
    }
    if over := [item.out for item in items if item.out.resolve() in inputs]:
        raise UsageError(f"{over[0]} is also an input; choose another folder for the results")
    every = {item.out for item in items}
    for item in items:
        if inside := every.intersection(item.out.parents):
            raise UsageError(f"{item.out} would lie in {inside.pop()}, another output video; give it another name")
        if item.out.suffix.lower() not in item.suffixes:
            kinds = " or ".join(item.suffixes)
            raise UsageError(f"{item.out} must be a {kinds} file; name it so, such as {item.out.stem}{kinds[:4]}")


def find_source_photos(sources: Sequence[Path]) -> list[Path]:
    """The given photos and the photos in the given folders, each once."""
    if not sources:
        raise UsageError("no photos were given; give photos, or folders of photos, with --source")
    found: list[Path] = []
    for source in sources:
        inside = find_files_below(source, BATCH_PHOTO_SUFFIXES) if source.is_dir() else [source]
        if not inside:
            raise UsageError(f"there are no photos in {source}; photos end in {', '.join(BATCH_PHOTO_SUFFIXES)}")
        if not source.exists():
            raise UsageError(f"there is no photo {source}; --source takes photos and folders of photos")
        found += inside
    return list(dict.fromkeys(found))


def find_files_below(folder: Path, kinds: tuple[str, ...]) -> list[Path]:
    """The sorted files of these types in a folder and its subfolders; hidden ones are skipped."""
    every = (path for path in folder.rglob("*") if path.suffix.lower() in kinds and path.is_file())
    return sorted(path for path in every if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def cross_clips_with_photos(
    folder: Path, photos: list[Path], out: Path, drawing: RenderOptions, looking: BaseEstimationOptions
) -> list[BatchItem]:
    """One item per clip and photo: OUT/CLIP.mp4 for one photo, OUT/PHOTO/CLIP.mp4 for several."""
    clips = [path for path in find_files_below(folder, BATCH_VIDEO_SUFFIXES) if out not in path.parents]
    if not clips:
        raise UsageError(f"there are no videos in {folder}; videos end in {', '.join(BATCH_VIDEO_SUFFIXES)}")
    people = dict(zip(photos, distinct_output_names(photos, [Path(photo.name) for photo in photos]), strict=True))
    names = dict(zip(clips, distinct_output_names(clips, [clip.relative_to(folder) for clip in clips]), strict=True))
    suffix = ".mov" if drawing.background == "alpha" else ".mp4"
    found = []
    for clip in clips:  # keep a clip's items together, so that its motion is estimated once
        for photo in photos:
            name = (people[photo] / names[clip] if len(photos) > 1 else names[clip]).as_posix() + suffix
            found.append(BatchItem(decodable_name(name), (photo,), clip, out / name, drawing, looking))
    return found


def distinct_output_names(paths: Sequence[Path], names: Sequence[Path]) -> Iterator[Path]:
    """Names without suffix; the suffix is kept where names would collide, then a number is added."""
    short = Counter(name.with_suffix("") for name in names)
    seen: Counter[Path] = Counter()
    for name in names:
        own = name if short[name.with_suffix("")] > 1 else name.with_suffix("")
        seen[own] += 1
        yield own if seen[own] == 1 else own.with_name(f"{own.name}_{seen[own]}")


def read_item_list(
    file: Path, photos: list[Path], out: Path, drawing: RenderOptions, looking: BaseEstimationOptions
) -> list[BatchItem]:
    """One item per line: inputs are relative to the list, outputs to OUT; other columns are options of its task."""
    if len(photos) > 1:
        raise UsageError("a list names a source in each line; give one --source at most, for lines without one")
    found = []
    for number, row in enumerate(read_list_rows(file), 1):
        where = f"line {number} of {file}"
        if not isinstance(row, dict) or None in row:
            raise UsageError(f"{where} does not match the columns; they are source, driving, output and options")
        given = {k: v for k, v in row.items() if v not in (None, "")}
        own = given.pop("source", None)
        several = own if isinstance(own, list) else str(own).split(";") if own else []
        if not all(isinstance(one, str) and one for one in [*several, given.get("driving", "a name")]):
            raise UsageError(f"{where}: source and driving must be file names")
        people = tuple(file.parent / one for one in several) or tuple(photos)
        if not people:
            raise UsageError(f"{where} has no source; name a photo there, or give --source")
        task = str(given.pop("task", IMITATE))
        if task not in TASKS:
            raise UsageError(f"{where}: there is no task {task!r}; choose from {', '.join(TASKS)}")
        if ("driving" in given) != (task == IMITATE):
            raise UsageError(f"{where}: {ROW_INPUTS[task]}")
        clip = file.parent / given.pop("driving") if task == IMITATE else None
        wished: DrawingOptions
        seen, wear = looking, NO_CLOTHES
        if task == NOVEL_VIEW:
            wished = parse_view_options(given, drawing, looking, where)
        elif task == DRESS:
            wished, wear = parse_dress_options(given, drawing, looking, where)
            wear = resolve_clothes_paths(wear, file.parent)
        else:
            wished, seen = parse_row_options(given, drawing, looking, where)
        if "background" in given or "weights" in given:
            wished = resolve_drawing_paths(wished, file.parent)
        name = Path(str(given.get("output") or (clip or people[0]).with_suffix(default_suffix(wished)).name))
        if name.is_absolute() or ".." in name.parts or name.parts[:1] == (BATCH_STATE_FOLDER,):
            raise UsageError(f"{where}: the output {name} is not below the output folder; give a path relative to it")
        if "\0" in f"{clip}{name}{people}{wear}":
            raise UsageError(f"{where}: a file name contains a NUL character; remove it")
        found.append(BatchItem(decodable_name(name.as_posix()), people, clip, out / name, wished, seen, wear=wear))
    if not found:
        raise UsageError(f"{file} is empty; give a line for each video")
    return found


def read_list_rows(file: Path) -> Iterator[Any]:
    """The list's rows as dictionaries, or as whatever a JSON line holds."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            if file.suffix.lower() == ".csv":
                yield from csv.DictReader(lines)
            else:
                yield from (json.loads(line) for line in lines if line.strip())
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{file} cannot be read as {file.suffix[1:].upper()} ({error}); correct it") from None


def default_suffix(drawing: DrawingOptions) -> str:
    """The suffix of an output that the list does not name."""
    if isinstance(drawing, DressOptions) or (isinstance(drawing, NovelViewOptions) and drawing.azimuth):
        return ".png"
    return ".mov" if drawing.background == "alpha" else ".mp4"
