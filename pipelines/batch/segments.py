"""One long video by many: its motion is found as a whole, stretches of it are drawn apart, and joined as they are."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path
from typing import TypeVar, cast

from torch import Tensor

from motion_imitate.files import OutputError, put
from motion_imitate.types import Motion, cat
from motion_imitate.video import join
from pipelines.batch.item import Item, digest, placed, version
from pipelines.batch.manifest import FAILED, QUEUED, Ledger, opened
from pipelines.batch.options import Batching
from pipelines.batch.scheduler import Work, hands_of
from pipelines.imitate.driver import Job
from pipelines.imitate.options import Drawing
from pipelines.imitate.person import person_of
from pipelines.imitate.render_video import ENCODING, moving
from pipelines.motion.options import Looking
from pipelines.motion.stored import keep, kept
from pipelines.output_path import Refused
from pipelines.provenance import tags
from pipelines.reporter import Talk
from pipelines.streaming.threads import HERE

PATIENCE = 300.0  # seconds that a stretch may take, and one for each frame
D = TypeVar("D", Drawing, Looking)

INDEX = "stretches.json"


@dataclass(frozen=True)
class Stretch:
    item: Item
    second: float  # when it begins
    frames: int

    def __len__(self) -> int:
        return self.frames


def refuse_segments(job: Job) -> None:
    how = job.how
    if how.background == "driving" or how.side_by_side or how.preview:
        wish = "--preview" if how.preview else "--side-by-side" if how.side_by_side else "--background driving"
        raise Refused(f"--segments cannot be drawn with {wish}, which follows the video from its start; leave one out")
    if how.background == "alpha" and job.out.suffix.lower() == ".webm":
        raise Refused("transparent .webm files cannot be joined; name a .mov, or leave --segments out")


def in_segments(job: Job, talk: Talk) -> list[Tensor]:
    """The file; how sure each of its frames is. What is done stays in a folder beside it until all is."""
    refuse_segments(job)
    folder = job.out.absolute().with_name(f".{job.out.name}.segments")
    how = Batching(
        on="ray" if job.how.run == "ray" else "local",
        workers=job.seeing.workers,
        gpus_per_worker=job.how.gpus_per_worker,
        address=job.how.address,
    )
    with opened(folder) as book:
        every = planned(job, folder, book, talk)
        book.plan([one.item for one in every], again=True, over=True)
        left = {one.item.id: one for one in every if book.row(one.item.id)["state"] == QUEUED}
        with hands_of(how, len(left)) as hands:
            ended = Work(book, hands, PATIENCE + max(map(len, every))).all([one.item for one in left.values()])
            for done in talk.counted((left[item.id] for item in ended), "imitate", sum(map(len, left.values()))):
                row = book.row(done.item.id)
                if row["state"] == FAILED:
                    raise OutputError(f"frames from second {done.second:.2f} on cannot be made: {row['reason']}")
        join(job.out, [(one.second, one.item.out) for one in every], job.clip, tags(), talk.warn)
        sure = [kept(cast(Path, one.item.motion))[0].confidence for one in every]
    shutil.rmtree(folder)
    return sure


def planned(job: Job, folder: Path, book: Ledger, talk: Talk) -> list[Stretch]:
    """The stretches, and in a file each how the person moves there: all of it is known before anything is drawn."""
    key, index = whole(job, book), folder / INDEX
    told = json.loads(index.read_text()) if index.exists() else {}
    if told.get("key") != key:
        told = {"key": key, "stretches": [*stored(job, folder, talk)]}
        put(index, json.dumps(told).encode())
    drawing, looking = placed(chosen(job.how, Drawing), Path.cwd()), chosen(job.seeing, Looking)
    photos, begin = tuple(photo.absolute() for photo in job.photos), told["stretches"][0][0]
    every = []
    for number, (second, frames) in enumerate(told["stretches"]):
        name, motion = f"{number:05}{job.out.suffix.lower()}", folder / motion_of(number)
        own = digest([key, str(number)])
        item = Item(name, photos, motion, folder / name, drawing, looking, own, motion, since=begin)
        every.append(Stretch(item, second, frames))
    return every


def chosen(options: D, kind: type[D]) -> D:
    """Only what each video may have of its own: not where it is made, nor by how many."""
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})


def whole(job: Job, book: Ledger) -> str:
    """Of all that the result depends on."""
    given = [
        *job.photos,
        *(path for path in (job.clip, job.how.motion, job.how.weights, Path(job.how.background)) if path),
    ]
    settings = f"{chosen(job.how, Drawing)} {chosen(job.seeing, Looking)} {job.how.segments}"
    return digest([version(), settings, *(book.contents(path) for path in given)])


def stored(job: Job, folder: Path, talk: Talk) -> Iterator[tuple[float, int]]:
    """The seconds at which stretches begin, and their frames; each begins where a keyframe may be."""
    assert job.how.segments is not None
    with moving(job, talk, person_of, HERE) as (driver, _, moved):
        rate = float(driver.rate)
        apart = max(1, round(rate * ENCODING.keyframes))
        length = apart * ceil(job.how.segments * rate / apart)
        seen = talk.counted(moved, "look", driver.frames)
        for number, part in enumerate(parts(seen, length)):
            keep(folder / motion_of(number), part, rate)
            yield float(part.seconds[0]), len(part)


def motion_of(number: int) -> str:
    return f"{number:05}.safetensors"


def parts(runs: Iterable[Motion], length: int) -> Iterator[Motion]:
    """The same in runs of that length; the last may be shorter."""
    held: list[Motion] = []
    for run in runs:
        held.append(run)
        while sum(map(len, held)) >= length:
            some = cat(held)
            yield some[:length]
            held = [some[length:]]
    if sum(map(len, held)):
        yield cat(held)
