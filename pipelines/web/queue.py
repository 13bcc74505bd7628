"""The queue of jobs: it survives a restart, and its jobs run in worker processes."""

import json
import logging
import socket
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from time import monotonic
from typing import Any

from motion_imitate.files import remove_stale_parts
from pipelines.batch.item import BatchItem
from pipelines.batch.local_workers import LocalWorkerPool, WorkerLost
from pipelines.batch.manifest import QUEUED, RUNNING, utc_timestamp
from pipelines.batch.outcome import INPUT_FAULT, SYSTEM_FAULT, ItemOutcome
from pipelines.errors import classify_error
from pipelines.novel_view.command import frame_count
from pipelines.novel_view.options import NovelViewOptions
from pipelines.web.job_request import JobRequest, plan_job
from pipelines.web.options import WebOptions
from pipelines.web.store import CANCELLED, WebStore
from pipelines.web.work import PROGRESS_FILE, AvatarItem, Inspected, InspectUpload, WebItem, hide_paths

POLL_SECONDS = 0.2  # between looks at the queue
FAULT_SECONDS = 2.0  # until the queue goes on after an error
SWEEP_SECONDS = 60.0  # between deletions of what is old
MAX_RUNS = 2  # of a job whose worker process is lost
PATIENCE, FRAME_PATIENCE = 600.0, 2.0  # seconds that a job may take, and more per frame
INSPECTION_SECONDS = 90.0  # that looking at an upload may take

JobPool = LocalWorkerPool[WebItem, ItemOutcome]
InspectionPool = LocalWorkerPool[InspectUpload, Inspected]


@dataclass
class JobQueue:
    """Gives waiting jobs to worker processes; `run` is a thread of its own."""

    store: WebStore
    pool: JobPool
    how: WebOptions
    running: dict[str, tuple[WebItem, float]] = field(default_factory=dict)  # with the time when patience ends
    ended: list[tuple[WebItem, ItemOutcome | WorkerLost]] = field(default_factory=list)  # but not recorded yet
    unwanted: set[str] = field(default_factory=set)
    stopped: Event = field(default_factory=Event)
    clock: Callable[[], float] = monotonic

    def run(self) -> None:
        """Run jobs until the queue is stopped; those that run then are queued again."""
        swept = -SWEEP_SECONDS
        try:
            self.store.manifest.requeue_running()
            while not self.stopped.is_set():
                try:
                    if self.clock() - swept > SWEEP_SECONDS:
                        swept = self.clock()
                        self.store.delete_older(self.how.keep_hours * 3600)
                    self.step()
                except Exception:  # such as a full disk, which may have room again later
                    logging.getLogger(__name__).exception("the queue goes on after an error")
                    self.stopped.wait(FAULT_SECONDS)
        finally:
            self.pool.kill_workers()
            with suppress(sqlite3.OperationalError):  # done at the next start as well
                self.store.manifest.requeue_running()

    def step(self) -> None:
        """Start what can be started, and record what has ended. What cannot be written down is tried again."""
        self.end_unwanted()
        while self.pool.idle_workers() and (waiting := self.store.waiting_jobs()):
            self.start_job(waiting[0])
        if not self.running:
            self.stopped.wait(POLL_SECONDS)
            return
        self.ended += self.pool.wait(POLL_SECONDS)
        while self.ended:
            self.record_result(*self.ended[0])
            del self.running[self.ended.pop(0)[0].id]
        for item, deadline in [*self.running.values()]:
            if self.clock() > deadline:
                self.store.manifest.end(item, ItemOutcome(SYSTEM_FAULT, "the job took too long and was stopped"))
                self.stop_job(item)

    def start_job(self, id: str) -> None:
        """Give a waiting job to a worker process, or record why that cannot be done."""
        row = self.store.find_job(id)
        request = JobRequest.model_validate_json(row["request"])
        try:
            item = plan_job(id, request, self.store, self.how.device)
        except Exception as error:  # its files were deleted, or the options are those of another version
            self.store.manifest.change(Named(id), state="failed", kind=INPUT_FAULT, reason=classify_error(error)[1])
            return
        self.store.manifest.begin(item, socket.gethostname())
        self.pool.start(item)
        self.running[id] = (item, self.clock() + PATIENCE + FRAME_PATIENCE * self.count_frames(item, request))

    def count_frames(self, item: WebItem, request: JobRequest) -> int:
        """About how many frames a job has."""
        if isinstance(item, BatchItem) and isinstance(item.drawing, NovelViewOptions):
            return frame_count(item.drawing)
        driver = self.store.find_upload(request.clip or request.motion or "")
        return int(driver.about.get("frames") or 10_000) if driver else 1

    def record_result(self, item: WebItem, result: ItemOutcome | WorkerLost) -> None:
        """Record how a job ended; one whose process was lost is tried again."""
        if isinstance(result, WorkerLost):
            self.remove_parts(item)
            if self.store.manifest.row(item.id)["attempts"] < MAX_RUNS:
                self.store.manifest.back(item, result.reason, True)
                return
            result = ItemOutcome(SYSTEM_FAULT, result.reason)
        names = self.visitor_names(item.id)
        reason = hide_paths(result.reason, names)
        warnings = tuple(hide_paths(said, names) for said in result.warnings)
        self.store.manifest.end(item, ItemOutcome(**vars(result) | {"reason": reason, "warnings": warnings}))

    def visitor_names(self, id: str) -> dict[Any, str]:
        """What the visitor calls the files of a job."""
        request = JobRequest.model_validate_json(self.store.find_job(id)["request"])
        uploads = filter(None, map(self.store.find_upload, request.upload_ids))
        own = {self.store.job_folder(id): "the result", self.store.motions: "the motion"}
        return {upload.file: upload.name for upload in uploads} | own

    def cancel(self, id: str) -> None:
        """Stop a job that waits or runs; the latter soon."""
        self.store.cancel_waiting(id)
        self.unwanted.add(id)  # it may be starting now

    def end_unwanted(self) -> None:
        """Stop the running jobs that were cancelled."""
        for id in [*self.unwanted]:
            if id in self.running:
                self.store.manifest.change(Named(id), state=CANCELLED, finished=utc_timestamp())
                self.stop_job(self.running[id][0])
            self.unwanted.discard(id)

    def stop_job(self, item: WebItem) -> None:
        """Kill the process that runs a job, and remove what it left."""
        self.pool.end(item)
        del self.running[item.id]
        self.remove_parts(item)

    def remove_parts(self, item: WebItem) -> None:
        """Remove what a killed process has left half written."""
        remove_stale_parts(item.out)
        if not isinstance(item, AvatarItem) and item.motion is not None:
            remove_stale_parts(item.motion)

    def read_progress(self, id: str) -> dict[str, Any]:
        """How far a running job is; empty while the person is prepared."""
        try:
            return dict(json.loads((self.store.job_folder(id) / PROGRESS_FILE).read_text()))
        except (OSError, ValueError):
            return {}


@dataclass(frozen=True)
class Named:
    """A row of the manifest."""

    id: str


@dataclass
class Inspector:
    """Looks at uploads in a process of its own, one at a time, also while jobs run."""

    pool: InspectionPool
    busy: Lock = field(default_factory=Lock)

    def inspect(self, work: InspectUpload) -> Inspected:
        """What the upload shows, or why it is refused."""
        with self.busy:
            self.pool.start(work)
            ended = self.pool.wait(INSPECTION_SECONDS)
            if not ended:
                self.pool.end(work)
                return Inspected(refusal="the file takes too long to read; save it again in another format")
        [(_, result)] = ended
        if isinstance(result, WorkerLost):
            return Inspected(refusal="the file cannot be read; save it again in another format")
        return result


def is_running(row: Any) -> bool:
    """Whether a job runs."""
    return bool(row["state"] == RUNNING)


def is_waiting(row: Any) -> bool:
    """Whether a job waits."""
    return bool(row["state"] == QUEUED)
