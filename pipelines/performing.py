"""Making one video of a batch, in whatever process: what comes of it is told, errors too."""

import json
import socket
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from motion_imitate.files import put
from motion_imitate.imitate import Person
from motion_imitate.types import Frames
from pipelines.console import BAD_INPUT, USAGE, S, Talk, verdict
from pipelines.imitate import Job, made, person_of
from pipelines.imitating import Drawing
from pipelines.items import Item
from pipelines.motion import extracted

DONE, INPUT, SYSTEM = "done", "input", "system"  # what came of it: else, whose fault it was
PEOPLE = 4  # whom a process remembers
PICTURES, HIGH = 4, 96  # of a strip, and their pixels


@dataclass(frozen=True)
class Outcome:
    kind: str
    reason: str = ""
    frames: int | None = None
    seconds: float | None = None
    peak_mib: float | None = None
    node: str = ""
    warnings: tuple[str, ...] = ()
    strip: bytes = b""  # a JPEG of some frames


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


def beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.json")


def record(item: Item, outcome: Outcome) -> dict[str, Any]:
    """What is told beside a result."""
    about = {"key": item.key, "source": [str(path) for path in item.photos], "driving": str(item.clip)}
    return about | {k: v for k, v in asdict(outcome).items() if k not in ("kind", "reason", "strip")}


def told(out: Path) -> dict[str, Any]:
    """What is told beside a result; nothing if that was not made by a batch."""
    try:
        about = json.loads(beside(out).read_text())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def strip(pictures: Sequence[UInt8[Tensor, "C H W"]]) -> bytes:
    """Pictures of one size beside each other, as a small JPEG."""
    if not pictures:
        return b""
    row = np.concatenate([picture[:3].permute(1, 2, 0).numpy() for picture in pictures], 1)
    size = (max(1, round(row.shape[1] * HIGH / row.shape[0])), HIGH)
    small = cv2.resize(np.ascontiguousarray(row[..., ::-1]), size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])[1])


def forget_peak() -> None:
    """Linux counts the most memory of a process anew from now on."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float | None:
    """Mebibytes that this process took at most."""
    if sys.platform != "linux":
        return None
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return round(int(lines["VmHWM"].split()[0]) / 1024)
