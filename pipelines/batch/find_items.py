"""What a batch is to make: items, from a folder of videos and photos, or from a list in a file."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from pipelines.batch.item import INSIDE, Item, placed, readable
from pipelines.imitate.options import Drawing, suffixes
from pipelines.motion.options import Looking
from pipelines.output_path import Refused

VIDEOS = (
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
PHOTOS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
LISTS = (".csv", ".jsonl")


def items_of(given: Path, sources: Sequence[Path], out: Path, drawing: Drawing, looking: Looking) -> list[Item]:
    """In the order of their names, or of their lines. All paths are absolute: others may work at them elsewhere."""
    given, out, sources = given.resolve(), out.resolve(), [source.resolve() for source in sources]
    drawing = placed(drawing, Path.cwd())
    if not given.exists():
        raise Refused(f"there is no {given}; give a folder of videos, or a list of them (.csv or .jsonl)")
    if given == out:
        raise Refused(f"{out} holds the videos themselves; choose another folder for the results, which may lie in it")
    if given.is_dir():
        found = crossed(given, photos_in(sources), out, drawing, looking)
    elif given.suffix.lower() in LISTS:
        found = listed(given, photos_in(sources) if sources else [], out, drawing, looking)
    else:
        raise Refused(f"{given} is neither a folder of videos nor a list of them (.csv or .jsonl)")
    apart(found)
    return found


def apart(items: Sequence[Item]) -> None:
    """Refuses results that would take the place of each other, or of what they are made from."""
    twice = [name for name, count in Counter(item.out for item in items).items() if count > 1]
    if twice:
        raise Refused(f"two videos would be written to {twice[0]}; give each its own name in the list")
    inputs = {path.resolve() for item in items for path in (item.clip, *item.photos)}
    if over := [item.out for item in items if item.out.resolve() in inputs]:
        raise Refused(f"{over[0]} is also an input; choose another folder for the results")
    every = {item.out for item in items}
    for item in items:
        if inside := every.intersection(item.out.parents):
            raise Refused(f"{item.out} would lie in {inside.pop()}, which is a video; name it otherwise")
        if item.out.suffix.lower() not in suffixes(item.drawing):
            kinds = " or ".join(suffixes(item.drawing))
            raise Refused(f"{item.out} would be a {kinds} file; name it so, such as {item.out.stem}{kinds[:4]}")


def photos_in(sources: Sequence[Path]) -> list[Path]:
    """The photos, and those of folders."""
    if not sources:
        raise Refused("give a photo, several, or a folder of them: --source PHOTO")
    found: list[Path] = []
    for source in sources:
        inside = below(source, PHOTOS) if source.is_dir() else [source]
        if not inside:
            raise Refused(f"there are no photos in {source}; those end in {', '.join(PHOTOS)}")
        if not source.exists():
            raise Refused(f"there is no photo {source}; --source takes pictures, and folders of them")
        found += inside
    return list(dict.fromkeys(found))


def below(folder: Path, kinds: tuple[str, ...]) -> list[Path]:
    """The files of a folder, and of folders in it, that are not hidden."""
    every = (path for path in folder.rglob("*") if path.suffix.lower() in kinds and path.is_file())
    return sorted(path for path in every if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def crossed(folder: Path, photos: list[Path], out: Path, drawing: Drawing, looking: Looking) -> list[Item]:
    """Everybody does everything: OUT/CLIP.mp4 for one photo, OUT/PHOTO/CLIP.mp4 for several."""
    clips = [path for path in below(folder, VIDEOS) if out not in path.parents]
    if not clips:
        raise Refused(f"there are no videos in {folder}; those end in {', '.join(VIDEOS)}")
    people = dict(zip(photos, distinct(photos, [Path(photo.name) for photo in photos]), strict=True))
    names = dict(zip(clips, distinct(clips, [clip.relative_to(folder) for clip in clips]), strict=True))
    suffix = ".mov" if drawing.background == "alpha" else ".mp4"
    found = []
    for clip in clips:  # each clip's items follow each other: its motion is looked at once
        for photo in photos:
            name = (people[photo] / names[clip] if len(photos) > 1 else names[clip]).as_posix() + suffix
            found.append(Item(readable(name), (photo,), clip, out / name, drawing, looking))
    return found


def distinct(paths: Sequence[Path], names: Sequence[Path]) -> Iterator[Path]:
    """Names without their suffixes; with them where they would be the same, and then with a number."""
    short = Counter(name.with_suffix("") for name in names)
    seen: Counter[Path] = Counter()
    for name in names:
        own = name if short[name.with_suffix("")] > 1 else name.with_suffix("")
        seen[own] += 1
        yield own if seen[own] == 1 else own.with_name(f"{own.name}_{seen[own]}")


def listed(file: Path, photos: list[Path], out: Path, drawing: Drawing, looking: Looking) -> list[Item]:
    """A line each; paths are from where the list is, outputs below OUT. Other columns are options of `imitate`."""
    if len(photos) > 1:
        raise Refused("a list has a source in each line; give one --source at most, for lines without")
    found = []
    for number, row in enumerate(rows(file), 1):
        where = f"line {number} of {file}"
        if not isinstance(row, dict) or None in row:
            raise Refused(f"{where} is not what the columns are; they are source, driving, output and options")
        given = {k: v for k, v in row.items() if v not in (None, "")}
        own = given.pop("source", None)
        several = own if isinstance(own, list) else str(own).split(";") if own else []
        if not all(isinstance(one, str) and one for one in [*several, given.get("driving", "a name")]):
            raise Refused(f"{where}: source and driving are names of files")
        people = tuple(file.parent / one for one in several) or tuple(photos)
        if not people:
            raise Refused(f"{where} has no source; name a photo there, or give --source")
        if "driving" not in given:
            raise Refused(f"{where} has no driving video; the columns are source, driving, output and options")
        clip = file.parent / given.pop("driving")
        wished, seen = chosen(given, drawing, looking, where)
        if "background" in given or "weights" in given:
            wished = placed(wished, file.parent)
        suffix = ".mov" if wished.background == "alpha" else ".mp4"
        name = Path(str(given.get("output") or clip.with_suffix(suffix).name))
        if name.is_absolute() or ".." in name.parts or name.parts[:1] == (INSIDE,):
            raise Refused(f"{where}: the output {name} is not below the folder of results; name it from there")
        if "\0" in f"{clip}{name}{people}":
            raise Refused(f"{where}: a name of a file has a character of no text in it")
        found.append(Item(readable(name.as_posix()), people, clip, out / name, wished, seen))
    if not found:
        raise Refused(f"{file} is empty; give a line for each video")
    return found


def rows(file: Path) -> Iterator[Any]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            if file.suffix.lower() == ".csv":
                yield from csv.DictReader(lines)
            else:
                yield from (json.loads(line) for line in lines if line.strip())
    except (ValueError, csv.Error) as error:
        raise Refused(f"{file} cannot be read as {file.suffix[1:].upper()} ({error}); correct it") from None


def chosen(given: dict[str, Any], drawing: Drawing, looking: Looking, where: str) -> tuple[Drawing, Looking]:
    """The options of a line, read as those of the command line are, over those of the command."""
    wished = {k.strip().replace("-", "_"): v for k, v in given.items() if k != "output"}
    known = [*vars(drawing), *vars(looking)]
    if unknown := [name for name in wished if name not in known]:
        raise Refused(f"{where}: there is no option {unknown[0]!r} for a line; there are {', '.join(known)}")
    parser = App(result_action="return_value", exit_on_error=False, print_error=False)
    flat = Parameter(name="*")

    @parser.default
    def options(
        *, drawing: Annotated[Drawing, flat] = Drawing(), looking: Annotated[Looking, flat] = Looking()
    ) -> tuple[Drawing, Looking]:
        return drawing, looking

    try:
        own = parser([word for name, value in wished.items() for word in words(name, value)])
    except CycloptsError as error:
        raise Refused(f"{where}: {' '.join(str(error).split())}") from None
    drawn, seen = ({name: getattr(one, name) for name in wished if name in vars(one)} for one in own)
    return replace(drawing, **drawn), replace(looking, **seen)


def words(name: str, value: object) -> list[str]:
    """An option as it is written on the command line."""
    option = f"--{name.replace('_', '-')}"
    if str(value).lower() in ("true", "false"):
        return [option] if str(value).lower() == "true" else []
    return [f"{option}={value}"]
