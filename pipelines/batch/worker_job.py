"""Making one video of a batch, in whatever process: what comes of it is told, errors too."""

import json
import socket
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any

from jaxtyping import UInt8
from torch import Tensor

from motion_imitate.files import put
from motion_imitate.imitate import Person
from motion_imitate.types import Frames
from pipelines.batch.item import Item
from pipelines.batch.outcome import DONE, INPUT, PICTURES, SYSTEM, Outcome, beside, record, strip
from pipelines.errors import verdict
from pipelines.imitate.driver import Job
from pipelines.imitate.options import Drawing
from pipelines.imitate.person import person_of
from pipelines.imitate.render_video import made
from pipelines.motion.commands import extracted
from pipelines.reporter import BAD_INPUT, USAGE, S, Talk
from pipelines.streaming.memory import forget_peak, peak

PEOPLE = 4  # whom a process remembers


@dataclass(frozen=True)
class Listening(Talk):
    """Keeps the warnings and a few pictures, and says nothing."""

    quiet: bool = True
    heard: list[str] = field(default_factory=list)
    pictures: list[UInt8[Tensor, "C H W"]] = field(default_factory=list)

    def warn(self, warning: str) -> None:
        self.heard.append(warning)

    def counted(self, runs: Iterable[S], what: str, total: int | None) -> Iterator[S]:
        step, done = ceil((total or 1) / PICTURES), 0
        for run in runs:
            if isinstance(run, Frames):
                self.pictures.extend(run.data[k].clone() for k in range(-done % step, len(run), step))
                done += len(run)
                while len(self.pictures) > PICTURES:  # it is longer than was known
                    self.pictures[:], step = self.pictures[::2], 2 * step
            yield run


class Performer:
    """What a process knows between two items."""

    def __init__(self) -> None:
        self.people: OrderedDict[Any, Person] = OrderedDict()

    def __call__(self, item: Item) -> Outcome:
        begun, talk = monotonic(), Listening()
        forget_peak()
        try:
            frames = self.video(item, talk)
            seconds, shown = round(monotonic() - begun, 2), strip(talk.pictures)
            outcome = Outcome(DONE, "", frames, seconds, peak(), socket.gethostname(), tuple(talk.heard), shown)
            put(beside(item.out), (json.dumps(record(item, outcome), indent=1) + "\n").encode())
        except Exception as error:
            code, sentence = verdict(error)
            kind = INPUT if code in (BAD_INPUT, USAGE) else SYSTEM
            return Outcome(kind, " ".join(sentence.split()), node=socket.gethostname(), warnings=tuple(talk.heard))
        return outcome

    def video(self, item: Item, talk: Talk) -> int:
        item.out.parent.mkdir(parents=True, exist_ok=True)
        how, seeing = item.imitating(), item.seeing()
        job = Job(item.photos, item.clip, item.out, how, seeing, item.limit)
        if item.since is not None:
            job = replace(job, clip=None, how=replace(how, motion=item.motion), since=item.since)
        elif item.motion is not None:
            if not item.motion.exists():
                extracted(item.clip, item.motion, replace(seeing, size=job.longest), talk)
            job = replace(job, how=replace(how, motion=item.motion))
        return sum(map(len, made(job, talk, self.person)))

    def person(self, photos: Sequence[Path], longest: int, how: Drawing, talk: Talk) -> Person:
        """Those of late are remembered, as long as their photos and networks stay what they are."""
        files = (*photos, how.weights) if how.weights else photos
        stamps = tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
        key = (stamps, longest, how.photo_person, how.renderer)
        if key not in self.people:
            self.people[key] = person_of(photos, longest, how, talk)
            if len(self.people) > PEOPLE:
                self.people.popitem(last=False)
        self.people.move_to_end(key)
        return self.people[key]
