"""Routes of jobs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response

from pipelines.batch.item import BatchItem
from pipelines.web.job_request import JobRequest, plan_job
from pipelines.web.queue import is_running, is_waiting
from pipelines.web.refusal import Refusal
from pipelines.web.services import Services, Visitor
from pipelines.web.store import is_done, random_name
from pipelines.web.upload_routes import existing_file

job_router = APIRouter(tags=["jobs"])
MEDIA_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".png": "image/png", ".glb": "model/gltf-binary"}


@job_router.post("/jobs", status_code=201)
async def start_job(request: JobRequest, services: Services, visitor: Visitor) -> dict[str, Any]:
    """Queue a job."""
    store = services.store
    if len(store.waiting_jobs()) >= services.how.queue:
        raise Refusal(503, f"{services.how.queue} jobs are waiting already; try again when some are done")
    id = random_name()
    try:
        item = plan_job(id, request, store, services.how.device)
    except ValueError as error:
        raise Refusal(422, str(error)) from None
    store.use_uploads(request.upload_ids)
    motion = item.motion if isinstance(item, BatchItem) else None
    store.add_job(id, visitor, request.model_dump_json(), request.task, item.out, motion)
    return describe_job(store.find_job(id), services)


@job_router.get("/jobs")
async def list_jobs(services: Services, visitor: Visitor) -> list[dict[str, Any]]:
    """The jobs of this browser, the newest first."""
    waiting = services.store.waiting_jobs()
    return [describe_job(row, services, waiting) for row in services.store.jobs_of(visitor)]


@job_router.get("/jobs/{id}")
async def show_job(id: str, services: Services) -> dict[str, Any]:
    """The state of a job."""
    return describe_job(known_job(id, services), services)


@job_router.post("/jobs/{id}/cancel", status_code=202)
async def cancel_job(id: str, services: Services) -> dict[str, Any]:
    """Cancel a job that waits or runs."""
    services.queue.cancel(known_job(id, services)["id"])
    return describe_job(known_job(id, services), services)


@job_router.delete("/jobs/{id}", status_code=204)
async def delete_job(id: str, services: Services) -> None:
    """Delete a job with its results."""
    row = known_job(id, services)
    if is_running(row) or is_waiting(row):
        raise Refusal(409, "this job waits or runs; cancel it first")
    services.store.forget_job(row["id"])


@job_router.get("/jobs/{id}/result")
async def fetch_result(
    id: str, services: Services, download: Annotated[bool, Query(description="save it, rather than show it")] = False
) -> FileResponse:
    """The video, picture or avatar that a job has made."""
    row = finished_job(id, services)
    out = Path(row["output"])
    return existing_file(out, MEDIA_TYPES[out.suffix], f"motion-imitate{out.suffix}" if download else None)


@job_router.get("/jobs/{id}/motion")
async def fetch_motion(id: str, services: Services) -> FileResponse:
    """The motion of a job's clip, as a motion file."""
    motion = finished_job(id, services)["motion"]
    if not motion:
        raise Refusal(404, "this job has stored no motion; previews and some backgrounds store none")
    return existing_file(Path(motion), "application/octet-stream", "motion.npz")


@job_router.get("/jobs/{id}/strip")
async def fetch_strip(id: str, services: Services) -> Response:
    """A few frames of the result side by side."""
    strip = finished_job(id, services)["strip"]
    if not strip:
        raise Refusal(404, "there are no pictures of this result")
    return Response(strip, media_type="image/jpeg")


def known_job(id: str, services: Services) -> Any:
    """The row of the job with that id."""
    row = services.store.find_job(id)
    if row is None:
        raise Refusal(404, "this job is not there any more")
    return row


def finished_job(id: str, services: Services) -> Any:
    """The row of a job that is done."""
    row = known_job(id, services)
    if not is_done(row):
        raise Refusal(409, "this job is not done")
    return row


def describe_job(row: Any, services: Services, waiting: Sequence[str] | None = None) -> dict[str, Any]:
    """A job as the page shows it; `waiting` are the ids of the queue, if they are known."""
    request, id = JobRequest.model_validate_json(row["request"]), row["id"]
    job: dict[str, Any] = {
        "id": id,
        "task": request.task,
        "preview": request.preview,
        "state": row["state"],
        "created": row["created"],
        "request": request.model_dump(),
        "error": row["reason"] if row["state"] == "failed" else None,
        "warnings": (row["warnings"] or "").splitlines(),
    }
    if is_running(row):
        job["progress"] = services.queue.read_progress(id)
    elif is_waiting(row):
        waiting = services.store.waiting_jobs() if waiting is None else waiting
        job["ahead"] = waiting.index(id) if id in waiting else 0
    elif is_done(row):
        job |= {"frames": row["frames"], "seconds": row["seconds"], "result": f"/api/jobs/{id}/result"}
        job["media"] = MEDIA_TYPES[Path(row["output"]).suffix]
        job |= {"motion": f"/api/jobs/{id}/motion"} if row["motion"] and Path(row["motion"]).is_file() else {}
        job |= {"strip": f"/api/jobs/{id}/strip"} if row["strip"] else {}
    return job
