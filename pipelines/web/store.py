"""What the server remembers: uploads and requests, in the SQLite file of the batch's manifest, which holds their state.

Names that visitors give to their files are only ever shown; on disk everything has a random name.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from time import time
from typing import Any

from pipelines.batch.manifest import QUEUED, RUNNING, Manifest, utc_timestamp
from pipelines.batch.outcome import DONE

CANCELLED = "cancelled"
LISTED_JOBS = 100  # of a visitor, the newest
WEB_SCHEMA = """
create table if not exists uploads (
    id text primary key, owner text, kind text, name text, about text, created real, used real
);
create table if not exists requests (id text primary key, owner text, request text, motion text, created real);
"""


@dataclass(frozen=True)
class Upload:
    """A file that a visitor has given."""

    id: str
    kind: str
    name: str  # as the visitor calls it
    about: dict[str, Any]  # what was found in it
    folder: Path

    @property
    def file(self) -> Path:
        """The file as it was given."""
        return self.folder / "file"

    @property
    def picture(self) -> Path:
        """A small picture of it."""
        return self.folder / "small.jpg"


@dataclass(frozen=True)
class WebStore:
    """Uploads and requests, with their files, in the manifest's folder."""

    manifest: Manifest

    @classmethod
    def of(cls, manifest: Manifest) -> "WebStore":
        """The store in a manifest, created if missing."""
        manifest.table.executescript(WEB_SCHEMA)
        for name in ("uploads", "jobs", "motions"):
            (manifest.folder / name).mkdir(exist_ok=True)
        return cls(manifest)

    @property
    def motions(self) -> Path:
        """The folder of the motions of clips."""
        return self.manifest.folder / "motions"

    def upload_folder(self, id: str) -> Path:
        """The folder of an upload."""
        return self.manifest.folder / "uploads" / id

    def job_folder(self, id: str) -> Path:
        """The folder of a job's results."""
        return self.manifest.folder / "jobs" / id

    def add_upload(self, upload: Upload, owner: str) -> None:
        """Remember an upload."""
        values = (upload.id, owner, upload.kind, upload.name, json.dumps(upload.about), time(), time())
        self.manifest.table.execute("insert into uploads values (?, ?, ?, ?, ?, ?, ?)", values)

    def find_upload(self, id: str) -> Upload | None:
        """The upload with this id, or None."""
        row = self.manifest.table.execute("select * from uploads where id = ?", (id,)).fetchone()
        if row is None:
            return None
        return Upload(row["id"], row["kind"], row["name"], json.loads(row["about"]), self.upload_folder(row["id"]))

    def add_job(self, id: str, owner: str, request: str, task: str, out: Path, motion: Path | None) -> None:
        """Queue a job; `motion` is the file in which its clip's motion will be."""
        table = self.manifest.table
        table.execute(
            "insert into requests values (?, ?, ?, ?, ?)", (id, owner, request, motion and str(motion), time())
        )
        self.manifest.put({"id": id, "task": task, "output": str(out), "state": QUEUED, "key": id})

    def find_job(self, id: str) -> Any:
        """The row of a job, or None."""
        both = "select * from requests join items using (id) where id = ?"
        return self.manifest.table.execute(both, (id,)).fetchone()

    def jobs_of(self, owner: str) -> list[Any]:
        """The rows of a visitor's newest jobs, the newest first."""
        mine = "select * from requests join items using (id) where owner = ? order by created desc, requests.rowid desc"
        return self.manifest.table.execute(f"{mine} limit {LISTED_JOBS}", (owner,)).fetchall()

    def waiting_jobs(self) -> list[str]:
        """The ids of the queued jobs, the first one first."""
        queued = "select id from requests join items using (id) where state = ? order by created, requests.rowid"
        return [row["id"] for row in self.manifest.table.execute(queued, (QUEUED,))]

    def cancel_waiting(self, id: str) -> None:
        """Cancel a job if it is queued."""
        change = "update items set state = ?, finished = ? where id = ? and state = ?"
        self.manifest.table.execute(change, (CANCELLED, utc_timestamp(), id, QUEUED))

    def forget_job(self, id: str) -> None:
        """Delete a job that does not run, with its results."""
        rmtree(self.job_folder(id), ignore_errors=True)
        for table in ("items", "requests"):
            self.manifest.table.execute(f"delete from {table} where id = ?", (id,))

    def forget_upload(self, id: str) -> None:
        """Delete an upload."""
        rmtree(self.upload_folder(id), ignore_errors=True)
        self.manifest.table.execute("delete from uploads where id = ?", (id,))

    def delete_older(self, seconds: float) -> None:
        """Delete what was made or used last that long ago, but nothing of jobs that wait or run."""
        table, before = self.manifest.table, time() - seconds
        old = "select id from requests join items using (id) where created < ? and state not in (?, ?)"
        for row in table.execute(old, (before, QUEUED, RUNNING)).fetchall():
            self.forget_job(row["id"])
        needed = "".join(row["request"] for row in table.execute("select request from requests").fetchall())
        for row in table.execute("select id from uploads where used < ?", (before,)).fetchall():
            if row["id"] not in needed:
                self.forget_upload(row["id"])
        self.delete_strays("uploads", before, lambda id: self.find_upload(id) is not None)
        self.delete_strays("motions", before, lambda _: False)

    def delete_strays(self, folder: str, before: float, known: Callable[[str], bool]) -> None:
        """Delete what lies in a folder, was last changed before that time, and is not known."""
        for path in (self.manifest.folder / folder).iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < before and not known(path.name):
                    rmtree(path) if path.is_dir() else path.unlink()

    def use_uploads(self, ids: list[str]) -> None:
        """Remember that uploads are used now."""
        marks = ", ".join("?" * len(ids))
        self.manifest.table.execute(f"update uploads set used = ? where id in ({marks})", (time(), *ids))


def random_name() -> str:
    """A name that cannot be guessed."""
    return secrets.token_hex(16)


def is_done(row: sqlite3.Row) -> bool:
    """Whether a job has its result."""
    return bool(row["state"] == DONE)
