"""`motion-imitate batch`: render a folder of videos; a failed video doesn't stop the others."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from motion_imitate.files import OutputError
from pipelines.batch.find_items import find_batch_items
from pipelines.batch.forecast import forecast_batch
from pipelines.batch.html_report import write_html_report
from pipelines.batch.item import BATCH_STATE_FOLDER, BatchItem, with_cache_key
from pipelines.batch.manifest import FAILED, MANIFEST_FILE, QUEUED, SKIPPED, Manifest, open_manifest
from pipelines.batch.options import BatchOptions
from pipelines.batch.progress import show_batch_progress
from pipelines.batch.scheduler import Scheduler, open_worker_pool
from pipelines.dress.command import check_dress_options
from pipelines.dress.options import DressOptions
from pipelines.imitate.command import check_imitate_options
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.novel_view.command import check_novel_view_options
from pipelines.novel_view.options import NovelViewOptions
from pipelines.output_path import UsageError
from pipelines.rendering.encoder import check_encoder_option, is_cuda_device
from pipelines.rendering.options import VideoOptions
from pipelines.reporter import FAILED as SOME_FAILED
from pipelines.reporter import OK, Reporter

REPORT = "report.html"


def run_batch(
    given: Path,
    out: Path,
    how: BatchOptions,
    drawing: RenderOptions,
    looking: BaseEstimationOptions,
    overwrite: bool,
    reporter: Reporter,
) -> int:
    """Run the batch command; return its exit code."""
    if how.gpus_per_worker and how.on == "local":
        raise UsageError("--gpus-per-worker is an option of Ray; add --on ray, or give --device cuda alone")
    if how.on == "ray" and is_cuda_device(looking.device) and not how.gpus_per_worker:
        raise UsageError(f"--on ray on --device {looking.device} needs --gpus-per-worker, such as 0.25")
    items = find_batch_items(given, how.source, out, drawing, looking)
    for item in {(item.drawing, item.looking, item.wear): item for item in items}.values():
        if isinstance(item.drawing, DressOptions):
            check_dress_options(item.wear, item.drawing)
        elif isinstance(item.drawing, NovelViewOptions):
            check_novel_view_options(item.drawing)
        else:
            check_imitate_options(item.imitate_options(), item.motion_options())
        if how.on == "local" and isinstance(item.drawing, VideoOptions):
            check_encoder_option(item.drawing.encoder)
    try:
        return run_batch_items(items, out, how, overwrite, reporter)
    except sqlite3.Error as error:
        raise OutputError(
            f"{out / MANIFEST_FILE} cannot be written ({error}); free some space, then run it again"
        ) from error


def run_batch_items(items: list[BatchItem], out: Path, how: BatchOptions, overwrite: bool, reporter: Reporter) -> int:
    """Process the unfinished items, write the HTML report and return the exit code."""
    begun = monotonic()
    with open_manifest(out) as manifest:
        motions = out / BATCH_STATE_FOLDER / "motions"
        motions.mkdir(exist_ok=True)
        items = [with_cache_key(item, manifest.cached_digest, motions) for item in items]
        manifest.plan_items(items, how.retry_failed, overwrite)
        left = [item for item, row in zip(items, manifest.rows(items), strict=True) if row["state"] == QUEUED]
        left = left[: how.limit]
        if how.dry_run:
            return report_dry_run(left, items, manifest, how, reporter)
        try:
            with (
                show_batch_progress(len(items), manifest.count_states(items), reporter) as seen,
                open_worker_pool(how, len(left)) as pool,
            ):
                for _ in Scheduler(manifest, pool, how.patience, seen).run(left):
                    pass
        finally:
            manifest.requeue_running()
            with suppress(OutputError):  # on a full disk, the cause has been reported already
                write_html_report(out / REPORT, manifest.rows(items), monotonic() - begun)
        counts = manifest.count_states(items)
        record: dict[str, Any] = {"output": str(out), "items": len(items), **counts}
        record |= {"seconds": round(monotonic() - begun, 1), "report": str(out / REPORT)}
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        reporter.result(record, f"{out}: {len(items)} videos: {said}; see {out / REPORT}")
        return SOME_FAILED if counts[FAILED] or counts[SKIPPED] else OK


def report_dry_run(
    left: list[BatchItem], items: list[BatchItem], manifest: Manifest, how: BatchOptions, reporter: Reporter
) -> int:
    """Print what a run would do and how long it would take; return the exit code."""
    counts = manifest.count_states(items)
    expected = forecast_batch(left, how, reporter)
    record = {"items": len(items), **counts, **expected, "would_do": [item.id for item in left]}
    lines = [
        f"{item.id}: {' + '.join(str(p) for p in item.photos)} {f'driven by {item.clip}' if item.clip else item.task}"
        for item in left
    ]
    if expected["seconds"] is None:
        lines.append(f"{len(left)} of {len(items)} videos; no time estimate: no clip could be tried")
    else:
        lines.append(
            f"{len(left)} of {len(items)} videos, {expected['frames']} frames: "
            f"about {format_duration(expected['seconds'])} with "
            f"{expected['workers']} workers"
        )
    reporter.result(record, "\n".join(lines))
    return OK


def format_duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours, whichever fits."""
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
