"""The manifest of a batch: a SQLite table with the state of each item, which survives a crash."""

import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from motion_imitate.files import write_bytes_atomically
from motion_imitate.weights import file_sha256
from pipelines.batch.item import BATCH_STATE_FOLDER, BatchItem, decodable_name
from pipelines.batch.outcome import DONE, ItemOutcome, read_outcome_record
from pipelines.output_path import UsageError

MANIFEST_FILE = "manifest.sqlite"
QUEUED, RUNNING, FAILED, SKIPPED = "queued", "running", "failed", "skipped"
STATES = (DONE, FAILED, SKIPPED, RUNNING, QUEUED)
SIDECAR_COLUMNS = ("frames", "seconds", "peak_mib", "node")  # restored from the record beside a result
MANIFEST_SCHEMA = """
create table if not exists items (
    id text primary key, task text, source text, driving text, output text, key text, state text,
    attempts integer default 0, kind text, reason text, frames integer, seconds real, peak_mib real, node text,
    started text, finished text,
    warnings text, strip blob
);
create table if not exists files (path text primary key, size integer, changed integer, sha256 text);
"""


class Identified(Protocol):
    """What has a row in the manifest."""

    @property
    def id(self) -> str:
        """The key of its row."""


@dataclass(frozen=True)
class Manifest:
    """The open manifest of an output folder."""

    folder: Path
    table: sqlite3.Connection

    def cached_digest(self, path: Path) -> str:
        """The SHA-256 of a file, cached until its size or modification time changes."""
        try:
            about = path.stat()
            if not path.is_file():
                return "no file"
            name, size, changed = decodable_name(str(path.absolute())), about.st_size, about.st_mtime_ns
            same = "select sha256 from files where path = ? and size = ? and changed = ?"
            if known := self.table.execute(same, (name, size, changed)).fetchone():
                return str(known[0])
            found = file_sha256(path)
        except OSError:  # the worker reports what is wrong
            return "unreadable"
        self.table.execute("insert or replace into files values (?, ?, ?, ?)", (name, size, changed, found))
        return found

    def plan_items(self, items: Sequence[BatchItem], again: bool, over: bool) -> None:
        """Queue what an earlier run has not finished.

        `again` also queues failed items; `over` also queues items whose output is a file of another origin.
        """
        self.requeue_running()
        self.table.execute("begin")
        for item in items:
            self.queue_item(item, again, over)
        self.table.execute("commit")

    def requeue_running(self) -> None:
        """Queue the items that an interrupted run left running, without counting that attempt."""
        left = "update items set state = ?, attempts = max(0, attempts - 1) where state = ?"
        self.table.execute(left, (QUEUED, RUNNING))

    def queue_item(self, item: BatchItem, again: bool, over: bool) -> None:
        """Set an item's state before a run, from its manifest row and its output."""
        row = self.row(item.id)
        before = row["state"] if row is not None and row["key"] == item.key else None
        made = read_outcome_record(item.out)
        there = item.out.exists()
        state = QUEUED
        if there and (before == DONE or made.get("key") == item.key):
            state = DONE
        elif there and not made and not over and (row is None or row["state"] == SKIPPED):
            state = SKIPPED
        elif before == FAILED and not again:
            state = FAILED
        if state == before:
            return
        fresh = {
            "id": item.id,
            "task": item.task,
            "source": decodable_name(";".join(map(str, item.photos))),
            "driving": decodable_name(str(item.clip)) if item.clip else None,
            "output": decodable_name(str(item.out)),
            "key": item.key,
            "state": state,
            "reason": "the output exists and is not of this batch; -y replaces it" if state == SKIPPED else None,
        }
        self.put(fresh | ({k: made[k] for k in SIDECAR_COLUMNS if k in made} if state == DONE else {}))

    def put(self, values: dict[str, Any]) -> None:
        """Insert or replace a row."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.table.execute(f"insert or replace into items ({names}) values ({marks})", tuple(values.values()))

    def row(self, id: str) -> Any:
        """The row of an item, or None."""
        return self.table.execute("select * from items where id = ?", (id,)).fetchone()

    def rows(self, items: Iterable[BatchItem]) -> Iterator[Any]:
        """The rows of the items, in order."""
        yield from (self.row(item.id) for item in items)

    def begin(self, item: Identified, node: str) -> None:
        """Record that an item has started; this counts as an attempt."""
        self.change(item, state=RUNNING, node=node, started=utc_timestamp(), attempts=self.row(item.id)["attempts"] + 1)

    def back(self, item: Identified, reason: str, counted: bool) -> None:
        """Queue an item for another attempt; the last attempt is only counted if `counted`."""
        attempts = self.row(item.id)["attempts"] - (not counted)
        self.change(item, state=QUEUED, kind="system", reason=reason, attempts=attempts)

    def end(self, item: Identified, outcome: ItemOutcome) -> None:
        """Record an item's final outcome."""
        done = outcome.kind == DONE
        self.change(
            item,
            state=DONE if done else FAILED,
            kind=None if done else outcome.kind,
            reason=outcome.reason or None,
            frames=outcome.frames,
            seconds=outcome.seconds,
            peak_mib=outcome.peak_mib,
            node=outcome.node,
            finished=utc_timestamp(),
            warnings="\n".join(outcome.warnings) or None,
            strip=outcome.strip or None,
        )

    def change(self, item: Identified, **values: Any) -> None:
        """Update some columns of an item's row."""
        names = ", ".join(f"{name} = ?" for name in values)
        self.table.execute(f"update items set {names} where id = ?", (*values.values(), item.id))

    def count_states(self, items: Sequence[BatchItem]) -> dict[str, int]:
        """The number of items in each state."""
        states = [row["state"] for row in self.rows(items)]
        return {state: states.count(state) for state in STATES}


def utc_timestamp() -> str:
    """The current time in UTC, in ISO format."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def open_manifest(folder: Path) -> Iterator[Manifest]:
    """Open the manifest of an output folder, created if missing, and lock it against other batches."""
    try:
        (folder / BATCH_STATE_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be created ({error.strerror}); choose another") from None
    with hold_batch_lock(folder / BATCH_STATE_FOLDER):
        try:
            table = sqlite3.connect(folder / MANIFEST_FILE, isolation_level=None, check_same_thread=False)  # autocommit
            table.row_factory = sqlite3.Row
            table.execute("pragma journal_mode = wal")
            table.executescript(MANIFEST_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"{folder / MANIFEST_FILE} is not a batch manifest ({error}); choose another folder"
            ) from None
        try:
            yield Manifest(folder, table)
        finally:
            with suppress(sqlite3.Error):
                table.close()


@contextmanager
def hold_batch_lock(inside: Path) -> Iterator[None]:
    """Hold the lock of a batch; the system releases it however the process ends."""
    owner_file = inside / "lock_owner.json"
    with closing(acquire_batch_lock(inside, owner_file)):
        write_bytes_atomically(
            owner_file,
            json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": utc_timestamp()}).encode(),
        )
        try:
            yield
        finally:
            owner_file.unlink(missing_ok=True)


def acquire_batch_lock(inside: Path, owner_file: Path) -> sqlite3.Connection:
    """Lock the folder; refuse it if another run holds the lock."""
    try:
        lock = sqlite3.connect(inside / "lock.sqlite", timeout=0, isolation_level=None)
        lock.execute("begin exclusive")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise UsageError(
                f"{describe_lock_owner(owner_file)} is using {inside.parent}; wait for it, or stop it ({error})"
            ) from None
        raise UsageError(f"{inside} is not a folder a batch can use ({error}); choose another folder") from None
    return lock


def describe_lock_owner(owner_file: Path) -> str:
    """The run that holds the lock, for an error message."""
    try:
        about = json.loads(owner_file.read_text())
        return f"another run (process {about['pid']} on {about['host']}, since {about['since']})"
    except (OSError, ValueError, KeyError):
        return "another run"
