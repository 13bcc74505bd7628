"""The worker processes of the web server: they look at uploads and render jobs."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic

import cv2
from jaxtyping import Float
from torch import Tensor

from motion_imitate.photos.people import find_people, load_photos
from motion_imitate.photos.read import read_photo, upright_photo_size
from motion_imitate.renderer_chain import BY_AVATAR
from motion_imitate.video import NotAVideo, probe, read
from pipelines.avatar.command import write_avatar
from pipelines.batch.item import BatchItem
from pipelines.batch.local_workers import serve_work
from pipelines.batch.outcome import DONE, INPUT_FAULT, SYSTEM_FAULT, ItemOutcome
from pipelines.batch.worker_job import ItemRunner, RecordingReporter
from pipelines.errors import classify_error
from pipelines.motion.stored import stream_stored_motion
from pipelines.rendering.backdrop import check_backdrop_file
from pipelines.rendering.person import advise_on_photo
from pipelines.reporter import BAD_INPUT, USAGE, SizedT, progress_record
from pipelines.streaming.threads import THREAD_RUNNER
from pipelines.web.work import PROGRESS_FILE, AvatarItem, Inspected, InspectUpload, WebItem

PROGRESS_SECONDS = 0.4  # between two notes of a job's progress
PICTURE_SIDE, PICTURE_QUALITY = 1280, 88  # pixels of the longer side, and JPEG quality, of pictures of uploads


def serve_web_items(pipe: Connection, parent: int) -> None:
    """Run in a process that renders jobs."""
    serve_work(pipe, parent, WebItemRunner)


def serve_inspections(pipe: Connection, parent: int) -> None:
    """Run in a process that looks at uploads."""
    serve_work(pipe, parent, lambda: inspect_upload)


@dataclass(frozen=True)
class ProgressReporter(RecordingReporter):
    """Writes the progress into a file as well."""

    file: Path = field(default_factory=Path)

    def track_progress(self, runs: Iterable[SizedT], what: str, total: int | None) -> Iterator[SizedT]:
        begun = noted = monotonic()
        done = 0
        for run in super().track_progress(runs, what, total):
            done += len(run)
            if done == len(run) or monotonic() - noted > PROGRESS_SECONDS:
                noted = monotonic()
                self.save_progress(progress_record(what, done, total, noted - begun))
            yield run

    def save_progress(self, record: dict[str, object]) -> None:
        """Write down the progress; a full disk must not stop the job here already."""
        with suppress(OSError):
            part = self.file.with_suffix(".part")
            part.write_text(json.dumps(record))
            part.replace(self.file)


def report_beside(out: Path) -> ProgressReporter:
    """A reporter of the progress of a result."""
    out.parent.mkdir(parents=True, exist_ok=True)
    (out.parent / PROGRESS_FILE).unlink(missing_ok=True)
    return ProgressReporter(file=out.parent / PROGRESS_FILE)


class WebItemRunner:
    """Renders the jobs of the page one after the other."""

    def __init__(self) -> None:
        self.runner = ItemRunner(THREAD_RUNNER, lambda item: report_beside(item.out))

    def __call__(self, item: WebItem) -> ItemOutcome:
        return self.runner(item) if isinstance(item, BatchItem) else self.export_avatar(item)

    def export_avatar(self, item: AvatarItem) -> ItemOutcome:
        """Write the person as a mesh."""
        begun, reporter = monotonic(), report_beside(item.out)
        try:
            frames = write_avatar(item.photo, item.out, item.how, reporter, self.runner.person)
        except Exception as error:
            return ItemOutcome(fault_kind(error), refusal_sentence(error), warnings=tuple(reporter.heard))
        seconds, node = round(monotonic() - begun, 2), socket.gethostname()
        return ItemOutcome(DONE, "", frames, seconds, None, node, tuple(reporter.heard), b"", BY_AVATAR.renderer)


def fault_kind(error: Exception) -> str:
    """Whether the input is at fault, or something else."""
    return INPUT_FAULT if classify_error(error)[0] in (BAD_INPUT, USAGE) else SYSTEM_FAULT


def refusal_sentence(error: Exception) -> str:
    """What was wrong, in one line."""
    return " ".join(classify_error(error)[1].split())


def inspect_upload(work: InspectUpload) -> Inspected:
    """What an upload shows, or why it is refused."""
    try:
        return Inspected(INSPECTORS[work.kind](work))
    except Exception as error:
        return Inspected(refusal=refusal_sentence(error))


def inspect_photo(work: InspectUpload) -> dict[str, object]:
    """Size and faults of a photo of a person."""
    height, width = upright_photo_size(work.file)
    photo = load_photos([work.file], PICTURE_SIDE).image[0]
    people = find_people(photo, str(work.file))
    write_small_picture(photo, work.picture)
    said = advise_on_photo(photo, people, PICTURE_SIDE)
    return {"width": width, "height": height, "people": len(people), "advice": said}


def inspect_clip(work: InspectUpload) -> dict[str, object]:
    """Size and length of a clip."""
    info = probe(work.file)
    shown = next(read(work.file, 1))
    write_small_picture(shown.data[0].float() / 255, work.picture)
    about = {"width": info.width, "height": info.height, "rate": round(float(info.rate), 3), "frames": info.frames}
    return about | {"seconds": info.duration, "sound": info.sound is not None, "advice": list(info.warnings)}


def inspect_motion(work: InspectUpload) -> dict[str, object]:
    """Length of a stored motion, all of which is read."""
    runs, about, _, frames = stream_stored_motion(work.file)
    seconds = [float(run.seconds[-1]) for run in runs]
    return {"frames": frames, "rate": about.rate, "seconds": seconds[-1], "title": about.title, "advice": []}


def inspect_background(work: InspectUpload) -> dict[str, object]:
    """The picture of a background, a photo or a video."""
    check_backdrop_file(work.file)
    try:
        probe(work.file)
    except NotAVideo:
        write_small_picture(read_photo(work.file, PICTURE_SIDE).image, work.picture)
        return {"moves": False, "advice": []}
    write_small_picture(next(read(work.file, 1)).data[0].float() / 255, work.picture)
    return {"moves": True, "advice": []}


INSPECTORS = {
    "photo": inspect_photo,
    "clip": inspect_clip,
    "motion": inspect_motion,
    "background": inspect_background,
}


def write_small_picture(image: Float[Tensor, "3 H W"], file: Path) -> None:
    """Write an image as a JPEG of PICTURE_SIDE pixels at most."""
    pixels = (image.permute(1, 2, 0).numpy()[..., ::-1] * 255 + 0.5).clip(0, 255).astype("uint8")
    scale = min(1.0, PICTURE_SIDE / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    file.write_bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])[1].tobytes())
