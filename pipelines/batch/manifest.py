"""What became of each item of a batch: a table in a file, which survives whatever happens to the program."""

import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from motion_imitate.files import put
from motion_imitate.weights import sha256
from pipelines.batch.item import INSIDE, Item, readable
from pipelines.batch.outcome import DONE, Outcome, told
from pipelines.output_path import Refused

TABLE = "manifest.sqlite"
QUEUED, RUNNING, FAILED, SKIPPED = "queued", "running", "failed", "skipped"
STATES = (DONE, FAILED, SKIPPED, RUNNING, QUEUED)
KEPT = ("frames", "seconds", "peak_mib", "node")  # of what is told beside a result
SCHEMA = """
create table if not exists items (
    id text primary key, source text, driving text, output text, key text, state text, attempts integer default 0,
    kind text, reason text, frames integer, seconds real, peak_mib real, node text, started text, finished text,
    warnings text, strip blob
);
create table if not exists files (path text primary key, size integer, changed integer, sha256 text);
"""


@dataclass(frozen=True)
class Ledger:
    folder: Path
    table: sqlite3.Connection

    def contents(self, path: Path) -> str:
        """The SHA-256 of a file, which is read only if it has changed since."""
        try:
            about = path.stat()
            if not path.is_file():
                return "no file"
            name, size, changed = readable(str(path.absolute())), about.st_size, about.st_mtime_ns
            same = "select sha256 from files where path = ? and size = ? and changed = ?"
            if known := self.table.execute(same, (name, size, changed)).fetchone():
                return str(known[0])
            found = sha256(path)
        except OSError:  # whoever works at it says what is wrong
            return "unreadable"
        self.table.execute("insert or replace into files values (?, ?, ?, ?)", (name, size, changed, found))
        return found

    def plan(self, items: Sequence[Item], again: bool, over: bool) -> None:
        """What is left of earlier runs stays as it is; the rest is queued. `again`: what has failed, too; `over`: what
        stands where a result belongs, too."""
        self.rest()
        self.table.execute("begin")
        for item in items:
            self.queue(item, again, over)
        self.table.execute("commit")

    def rest(self) -> None:
        """What was running when nobody was there any more is queued; that it was begun does not count."""
        left = "update items set state = ?, attempts = max(0, attempts - 1) where state = ?"
        self.table.execute(left, (QUEUED, RUNNING))

    def queue(self, item: Item, again: bool, over: bool) -> None:
        row = self.row(item.id)
        before = row["state"] if row is not None and row["key"] == item.key else None
        made = told(item.out)
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
            "source": readable(";".join(map(str, item.photos))),
            "driving": readable(str(item.clip)),
            "output": readable(str(item.out)),
            "key": item.key,
            "state": state,
            "reason": "a file that is not of this batch is there; -y replaces it" if state == SKIPPED else None,
        }
        self.put(fresh | ({k: made[k] for k in KEPT if k in made} if state == DONE else {}))

    def put(self, values: dict[str, Any]) -> None:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.table.execute(f"insert or replace into items ({names}) values ({marks})", tuple(values.values()))

    def row(self, id: str) -> Any:
        return self.table.execute("select * from items where id = ?", (id,)).fetchone()

    def rows(self, items: Iterable[Item]) -> Iterator[Any]:
        yield from (self.row(item.id) for item in items)

    def begin(self, item: Item, node: str) -> None:
        self.change(item, state=RUNNING, node=node, started=now(), attempts=self.row(item.id)["attempts"] + 1)

    def back(self, item: Item, reason: str, counted: bool) -> None:
        """To be tried again; an attempt that came to nothing by no fault of the item does not count."""
        attempts = self.row(item.id)["attempts"] - (not counted)
        self.change(item, state=QUEUED, kind="system", reason=reason, attempts=attempts)

    def end(self, item: Item, outcome: Outcome) -> None:
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
            finished=now(),
            warnings="\n".join(outcome.warnings) or None,
            strip=outcome.strip or None,
        )

    def change(self, item: Item, **values: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        self.table.execute(f"update items set {names} where id = ?", (*values.values(), item.id))

    def counts(self, items: Sequence[Item]) -> dict[str, int]:
        states = [row["state"] for row in self.rows(items)]
        return {state: states.count(state) for state in STATES}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    """The table of a folder; nobody else may have it meanwhile."""
    try:
        (folder / INSIDE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"the folder {folder} cannot be made ({error.strerror}); choose another") from None
    with alone_in(folder / INSIDE):
        try:
            table = sqlite3.connect(folder / TABLE, isolation_level=None)  # each change is kept at once
            table.row_factory = sqlite3.Row
            table.execute("pragma journal_mode = wal")
            table.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise Refused(f"{folder / TABLE} is not a table of a batch ({error}); choose another folder") from None
        try:
            yield Ledger(folder, table)
        finally:
            with suppress(sqlite3.Error):
                table.close()


@contextmanager
def alone_in(inside: Path) -> Iterator[None]:
    """The system itself lets go of the lock when the process ends, however it ends."""
    driver = inside / "driver.json"
    with closing(locked(inside, driver)):
        put(driver, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now()}).encode())
        try:
            yield
        finally:
            driver.unlink(missing_ok=True)


def locked(inside: Path, driver: Path) -> sqlite3.Connection:
    try:
        lock = sqlite3.connect(inside / "lock.sqlite", timeout=0, isolation_level=None)
        lock.execute("begin exclusive")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise Refused(f"{who(driver)} is at work in {inside.parent}; wait for it, or stop it ({error})") from None
        raise Refused(f"{inside} is not a folder a batch can use ({error}); choose another folder") from None
    return lock


def who(driver: Path) -> str:
    try:
        about = json.loads(driver.read_text())
        return f"another batch (process {about['pid']} on {about['host']}, since {about['since']})"
    except (OSError, ValueError, KeyError):
        return "another batch"
