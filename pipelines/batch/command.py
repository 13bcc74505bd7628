"""`motion-imitate batch`: a folder of videos, all of them made, whatever becomes of some."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from motion_imitate.files import OutputError
from pipelines.batch.find_items import items_of
from pipelines.batch.forecast import forecast
from pipelines.batch.html_report import report
from pipelines.batch.item import INSIDE, Item, keyed
from pipelines.batch.manifest import FAILED, QUEUED, SKIPPED, TABLE, Ledger, opened
from pipelines.batch.options import Batching
from pipelines.batch.progress import board
from pipelines.batch.scheduler import Work, hands_of
from pipelines.imitate.command import refuse_wishes
from pipelines.imitate.options import Drawing
from pipelines.motion.options import Looking
from pipelines.output_path import Refused
from pipelines.reporter import FAILED as SOME_FAILED
from pipelines.reporter import OK, Talk

REPORT = "report.html"


def batch(
    given: Path, out: Path, how: Batching, drawing: Drawing, looking: Looking, overwrite: bool, talk: Talk
) -> int:
    """The exit code."""
    if how.gpus_per_worker and how.on == "local":
        raise Refused("--gpus-per-worker shares out the GPUs of Ray; give --on ray, too, or --device cuda alone")
    items = items_of(given, how.source, out, drawing, looking)
    for item in {(item.drawing, item.looking): item for item in items}.values():
        refuse_wishes(item.imitating(), item.seeing())
    try:
        return done(items, out, how, overwrite, talk)
    except sqlite3.Error as error:
        raise OutputError(f"{out / TABLE} cannot be written ({error}); free some space, then go on") from error


def done(items: list[Item], out: Path, how: Batching, overwrite: bool, talk: Talk) -> int:
    begun = monotonic()
    with opened(out) as book:
        motions = out / INSIDE / "motions"
        motions.mkdir(exist_ok=True)
        items = [keyed(item, book.contents, motions) for item in items]
        book.plan(items, how.retry_failed, overwrite)
        left = [item for item, row in zip(items, book.rows(items), strict=True) if row["state"] == QUEUED]
        left = left[: how.limit]
        if how.dry_run:
            return told(left, items, book, how, talk)
        try:
            with board(len(items), book.counts(items), talk) as seen, hands_of(how, len(left)) as hands:
                for _ in Work(book, hands, how.patience, seen).all(left):
                    pass
        finally:
            book.rest()
            with suppress(OutputError):  # where there is no room for it, whatever is missing has been told
                report(out / REPORT, book.rows(items), monotonic() - begun)
        counts = book.counts(items)
        record: dict[str, Any] = {"output": str(out), "items": len(items), **counts}
        record |= {"seconds": round(monotonic() - begun, 1), "report": str(out / REPORT)}
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        talk.result(record, f"{out}: {len(items)} videos: {said}; {out / REPORT} shows them")
        return SOME_FAILED if counts[FAILED] or counts[SKIPPED] else OK


def told(left: list[Item], items: list[Item], book: Ledger, how: Batching, talk: Talk) -> int:
    """What would be done."""
    counts = book.counts(items)
    expected = forecast(left, how, talk)
    record = {"items": len(items), **counts, **expected, "would_do": [item.id for item in left]}
    lines = [f"{item.id}: {' + '.join(str(p) for p in item.photos)} does what {item.clip} does" for item in left]
    if expected["seconds"] is None:
        lines.append(f"{len(left)} of {len(items)} videos; how long it takes cannot be told: none could be tried")
    else:
        lines.append(
            f"{len(left)} of {len(items)} videos, {expected['frames']} frames: about {clock(expected['seconds'])} with "
            f"{expected['workers']} workers"
        )
    talk.result(record, "\n".join(lines))
    return OK


def clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
