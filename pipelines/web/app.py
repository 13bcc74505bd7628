"""The server's application: uploads, jobs and results over HTTP. It renders nothing itself."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from pipelines.output_path import UsageError
from pipelines.provenance import software_name
from pipelines.web.guard import VISITOR_COOKIE, RequestGuard, read_cookie
from pipelines.web.job_routes import job_router
from pipelines.web.live_routes import live_router
from pipelines.web.queue import Inspector, JobQueue
from pipelines.web.refusal import FULL_DISK, Refusal
from pipelines.web.services import WebServices
from pipelines.web.session_routes import session_router
from pipelines.web.store import random_name
from pipelines.web.upload_routes import upload_router

STATIC = Path(__file__).parent / "static"
STOP_SECONDS = 10.0  # to end the queue's thread
COOKIE_SECONDS = 365 * 86400
DESCRIPTION = """Animate the person in a photo with the motion of a video. Upload files, start a job, ask for its state
until it is done, and fetch the result. Errors are JSON with one sentence: `{"error": "..."}`."""


def create_app(queue: JobQueue, inspector: Inspector) -> FastAPI:
    """The application on a queue, whose thread runs as long as the application."""
    how = queue.how

    @asynccontextmanager
    async def run_queue(_: FastAPI) -> AsyncIterator[None]:
        thread = Thread(target=queue.run, name="queue", daemon=True)
        thread.start()
        try:
            yield
        finally:
            queue.stopped.set()
            thread.join(STOP_SECONDS)
            inspector.pool.kill_workers()

    app = FastAPI(
        title="motion-imitate",
        version=software_name().partition(" ")[2] or "0",
        description=DESCRIPTION,
        lifespan=run_queue,
        openapi_url="/api/openapi.json",
        docs_url=None,  # their scripts would come from another host
        redoc_url=None,
    )
    app.state.services = WebServices(queue.store, queue, inspector, how)
    for router in (session_router, upload_router, job_router, live_router):
        app.include_router(router, prefix="/api")
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/", serve_page, include_in_schema=False)
    app.add_exception_handler(Exception, answer_error)
    for kind in (Refusal, UsageError, HTTPException, RequestValidationError, sqlite3.OperationalError):
        app.add_exception_handler(kind, answer_error)
    app.add_middleware(RequestGuard, token=how.token, loopback=how.is_loopback)
    return app


async def serve_page(request: Request) -> Response:
    """The page; a new visitor gets a name of their own, by which their jobs are found again."""
    page = FileResponse(STATIC / "index.html")
    if not read_cookie(request.headers, VISITOR_COOKIE):
        page.set_cookie(VISITOR_COOKIE, random_name(), COOKIE_SECONDS, httponly=True, samesite="lax")
    return page


async def answer_error(_: Request, error: Exception) -> JSONResponse:
    """One sentence for whatever went wrong."""
    if isinstance(error, Refusal):
        return JSONResponse({"error": error.sentence}, error.status)
    if isinstance(error, sqlite3.OperationalError):  # nothing can be written down
        return JSONResponse({"error": FULL_DISK}, 507)
    if isinstance(error, UsageError):
        return JSONResponse({"error": str(error)}, 422)
    if isinstance(error, RequestValidationError):
        return JSONResponse({"error": validation_sentence(error.errors()[0])}, 422)
    if isinstance(error, HTTPException):
        return JSONResponse({"error": str(error.detail)}, error.status_code)
    return JSONResponse({"error": "something went wrong in the server; its log says what"}, 500)


def validation_sentence(fault: dict[str, Any]) -> str:
    """The first thing that is wrong with a request."""
    where = ".".join(str(part) for part in fault["loc"] if part not in ("body", "query", "path"))
    if where.startswith("options."):
        return f"{'.'.join(where.split('.')[:2])}: give a number, words, true or false, or a list of numbers or words"
    return f"{where or 'the request'}: {fault['msg']}"
