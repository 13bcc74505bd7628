"""`motion-imitate web`: serve the page."""

import os
import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

from motion_imitate.bodies.smpl import user_data_folder
from pipelines.batch.manifest import open_manifest
from pipelines.output_path import UsageError, create_folder
from pipelines.reporter import Reporter
from pipelines.web.app import create_app
from pipelines.web.live_routes import LARGEST_PICTURE
from pipelines.web.options import WebOptions
from pipelines.web.queue import InspectionPool, Inspector, JobPool, JobQueue
from pipelines.web.store import WebStore
from pipelines.web.worker import serve_inspections, serve_web_items

GOODBYE_SECONDS = 2  # to finish responses when the server stops
LISTEN_BACKLOG = 128


def run_web(how: WebOptions, reporter: Reporter) -> None:
    """Serve the page until interrupted."""
    if not how.is_loopback and how.token is None:
        raise UsageError(f"{how.host} can be reached by others; add --token SECRET, or leave --host out")
    folder = how.work or create_folder(user_data_folder()) / "web"
    with open_listener(how) as listener, open_manifest(Path(folder)) as manifest:
        jobs, looks = JobPool(how.workers, serve_web_items), InspectionPool(1, serve_inspections)
        for pool in (jobs, looks):
            pool.warm_up()
        app = create_app(JobQueue(WebStore.of(manifest), jobs, how), Inspector(looks))
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GOODBYE_SECONDS,
            server_header=False,
            ws_max_size=LARGEST_PICTURE,
        )
        url = page_url(how, listener)
        reporter.result({"url": url, "work": str(folder)}, f"{url}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run([listener])


def open_listener(how: WebOptions) -> socket.socket:
    """A socket at the address and port."""
    try:
        return socket.create_server(
            (how.host, how.port), family=socket.AF_INET6 if ":" in how.host else socket.AF_INET, backlog=LISTEN_BACKLOG
        )
    except (OSError, UnicodeError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise UsageError(f"cannot listen on {how.host} port {how.port} ({reason}); give another --port") from None


def page_url(how: WebOptions, listener: socket.socket) -> str:
    """Where the page is."""
    host = "127.0.0.1" if how.host in ("0.0.0.0", "localhost") else f"[{how.host}]" if ":" in how.host else how.host
    return f"http://{host}:{listener.getsockname()[1]}/"
