"""Receive files from visitors: limited in size, stored under random names, and looked at before they are used."""

import asyncio
import errno
import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from pipelines.web.queue import Inspector
from pipelines.web.refusal import FULL_DISK, Refusal
from pipelines.web.store import Upload, WebStore, random_name
from pipelines.web.work import InspectUpload, UploadKind, hide_paths

LARGEST_MB: dict[UploadKind, float] = {"photo": 80, "motion": 200}  # others: --upload-mb
SPARE_BYTES = 300_000_000  # of the disk, which uploads leave free
CHUNK_TIMEOUT = 30.0  # seconds until more of an upload must come
NAME_LENGTH = 120  # characters of a file's name that are kept


async def receive_upload(
    chunks: AsyncIterator[bytes],
    kind: UploadKind,
    name: str,
    owner: str,
    store: WebStore,
    inspector: Inspector,
    largest_mb: float,
    length: int | None = None,
) -> Upload:
    """Store an upload and look at it. Raises Refusal; nothing is left then."""
    limit = round(min(largest_mb, LARGEST_MB.get(kind, largest_mb)) * 1e6)
    check_size(length or 0, limit, kind)
    id = random_name()
    upload = Upload(id, kind, clean_name(name) or kind, {}, store.upload_folder(id))
    try:
        with refuse_full_disk():
            upload.folder.mkdir()
            digest = await write_chunks(chunks, upload.file, limit, kind)
            work = InspectUpload(id, kind, upload.file, upload.picture)
            found = await run_in_threadpool(inspector.inspect, work)
        if found.refusal:
            raise Refusal(422, hide_paths(found.refusal, {upload.file: upload.name}))
        upload = replace(upload, about=found.about | {"sha256": digest})
        store.add_upload(upload, owner)
    except BaseException:
        shutil.rmtree(upload.folder, ignore_errors=True)
        raise
    return upload


async def write_chunks(chunks: AsyncIterator[bytes], file: Path, limit: int, kind: str) -> str:
    """Write an upload to disk as it comes; return its SHA-256."""
    digest, done = hashlib.sha256(), 0
    with file.open("xb") as out:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(chunks), CHUNK_TIMEOUT)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise Refusal(408, "the upload stopped in the middle; try again") from None
            done += len(chunk)
            check_size(done, limit, kind)
            if shutil.disk_usage(file.parent).free < SPARE_BYTES:
                raise OSError(errno.ENOSPC, "no space left")
            digest.update(chunk)
            out.write(chunk)
    if not done:
        raise Refusal(422, "the file is empty; choose another one")
    return digest.hexdigest()


def check_size(size: int, limit: int, kind: str) -> None:
    """Raise Refusal for a file that is too large."""
    if size > limit:
        raise Refusal(413, f"the {kind} is larger than {limit / 1e6:g} MB; give a shorter or smaller one")


@contextmanager
def refuse_full_disk() -> Iterator[None]:
    """Say in one sentence that the disk of the server is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Refusal(507, FULL_DISK) from None


def clean_name(name: str) -> str:
    """A file's name without folders and control characters, which is only ever shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:NAME_LENGTH].strip()
