"""Render one video of a batch in a worker process; errors become part of the outcome."""

import json
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any

from jaxtyping import UInt8
from torch import Tensor

from motion_imitate.files import write_bytes_atomically
from motion_imitate.person import Person
from motion_imitate.runner import INLINE, StreamRunner
from motion_imitate.types import Frames
from pipelines.batch.item import BatchItem
from pipelines.batch.outcome import (
    DONE,
    INPUT_FAULT,
    STRIP_FRAMES,
    SYSTEM_FAULT,
    ItemOutcome,
    encode_preview_strip,
    outcome_record,
    outcome_record_path,
)
from pipelines.dress.command import DressedPicture, write_dressed
from pipelines.dress.options import DressOptions
from pipelines.errors import classify_error
from pipelines.imitate.driver import ImitateJob
from pipelines.imitate.render_video import RenderedVideo, render_video
from pipelines.motion.commands import write_extracted_motion
from pipelines.novel_view.command import RenderedViews, render_views
from pipelines.novel_view.options import NovelViewOptions
from pipelines.rendering.options import PersonOptions
from pipelines.rendering.person import load_person, warn_of_renderer
from pipelines.reporter import BAD_INPUT, USAGE, Reporter, SizedT
from pipelines.streaming.memory import peak_rss, reset_peak_memory

CACHED_PEOPLE = 4  # prepared people that a process keeps


@dataclass(frozen=True)
class RecordingReporter(Reporter):
    """Collects the warnings and a few frames, and prints nothing."""

    quiet: bool = True
    heard: list[str] = field(default_factory=list)
    pictures: list[UInt8[Tensor, "C H W"]] = field(default_factory=list)

    def warn(self, warning: str) -> None:
        self.heard.append(warning)

    def track_progress(self, runs: Iterable[SizedT], what: str, total: int | None) -> Iterator[SizedT]:
        """The runs as they are; keeps about evenly spaced frames of those that are video."""
        step, done = ceil((total or 1) / STRIP_FRAMES), 0
        for run in runs:
            if isinstance(run, Frames):
                self.pictures.extend(run.data[k].clone() for k in range(-done % step, len(run), step))
                done += len(run)
                while len(self.pictures) > STRIP_FRAMES:  # more frames than expected
                    self.pictures[:], step = self.pictures[::2], 2 * step
            yield run


class ItemRunner:
    """Renders items one after the other; prepared people are cached between items."""

    def __init__(
        self,
        runner: StreamRunner = INLINE,
        make_reporter: Callable[[BatchItem], RecordingReporter] = lambda _: RecordingReporter(),
    ) -> None:
        self.runner, self.make_reporter = runner, make_reporter
        self.people: OrderedDict[Any, Person] = OrderedDict()

    def __call__(self, item: BatchItem) -> ItemOutcome:
        begun, reporter = monotonic(), self.make_reporter(item)
        reset_peak_memory()
        try:
            made = self.render_item(item, reporter)
            seconds, shown = round(monotonic() - begun, 2), encode_preview_strip(reporter.pictures)
            outcome = ItemOutcome(
                DONE,
                frames=made.frames,
                seconds=seconds,
                peak_mib=peak_rss(),
                node=socket.gethostname(),
                warnings=tuple(reporter.heard),
                renderer=made.choice.renderer,
                renderer_reason=made.choice.sentence,
                face=made.choice.face,
                strip=shown,
            )
            write_bytes_atomically(
                outcome_record_path(item.out), (json.dumps(outcome_record(item, outcome), indent=1) + "\n").encode()
            )
        except Exception as error:
            code, sentence = classify_error(error)
            kind = INPUT_FAULT if code in (BAD_INPUT, USAGE) else SYSTEM_FAULT
            return ItemOutcome(
                kind, " ".join(sentence.split()), node=socket.gethostname(), warnings=tuple(reporter.heard)
            )
        return outcome

    def render_item(
        self, item: BatchItem, reporter: RecordingReporter
    ) -> RenderedVideo | RenderedViews | DressedPicture:
        """Render the item's video or pictures."""
        item.out.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(item.drawing, DressOptions):
            return write_dressed([*item.photos], item.out, item.wear, item.drawing, reporter, self.person)
        if isinstance(item.drawing, NovelViewOptions):
            return render_views([*item.photos], item.out, item.drawing, reporter, self.person, self.runner)
        how, estimation = item.imitate_options(), item.motion_options()
        job = ImitateJob(item.photos, item.clip, item.out, how, estimation, item.wear, limit=item.limit)
        if item.video_start is not None:
            job = replace(job, clip=None, how=replace(how, motion=item.motion), video_start=item.video_start)
            job = replace(job, continued=item.continued)
        elif item.motion is not None:
            if not item.motion.exists():
                assert item.clip is not None
                seen = replace(estimation, size=job.longest)
                write_extracted_motion(item.clip, item.motion, seen, reporter, self.runner)
            job = replace(job, how=replace(how, motion=item.motion))
        return render_video(job, reporter, self.person, self.runner)

    def person(self, photos: Sequence[Path], longest: int, how: PersonOptions, reporter: Reporter) -> Person:
        """The person of these photos, cached until a photo or the weights change."""
        files = (*photos, how.weights) if how.weights else photos
        stamps = tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
        key = (stamps, longest, how.photo_person, how.renderer, how.face, how.stand_upright)
        if key not in self.people:
            self.people[key] = load_person(photos, longest, how, reporter)
            if len(self.people) > CACHED_PEOPLE:
                self.people.popitem(last=False)
        else:
            warn_of_renderer(photos, self.people[key], reporter)
        self.people.move_to_end(key)
        return self.people[key]
