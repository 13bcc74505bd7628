"""Connect to Ray for as long as it is used: to a running cluster, or to a temporary local one."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from math import floor
from pathlib import Path
from signal import SIGTERM, getsignal, signal
from threading import RLock, current_thread, main_thread
from typing import Any

from motion_imitate.files import WRITER_KILLS
from pipelines.output_path import UsageError

OBJECT_STORE_BYTES = 256 << 20  # in memory; the rest spills to disk
RAY_SYSTEM_CONFIG = {"task_events_report_interval_ms": 0}  # or ending takes five seconds when all of Ray is told to end
QUIET_RAY_VARIABLES = {  # otherwise Ray prints dead workers and unfetched errors on stdout
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}


class RayError(Exception):
    """Ray, or one of its processes, is missing or has died."""


def check_ray_gpus(nodes: Iterable[Any], workers: int, gpus: float) -> None:
    """Refuse workers that need more GPUs than the cluster has; Ray would wait for them forever."""
    if not gpus:
        return
    there = [node["Resources"].get("GPU", 0.0) for node in nodes if node["Alive"]]
    room = sum(floor(has / gpus) if gpus >= 1 else floor(has) * floor(1 / gpus) for has in there)
    if room < workers:
        raise UsageError(
            f"{workers} workers with {gpus:g} GPUs each were requested, but Ray has {sum(there):g} GPUs, room for "
            f"{room}; request fewer, or none"
        )


RAY_USERS: list[object] = []  # of the Ray that this process started or joined
OWNED_RAY = {"started": False}  # by this process
RAY_LOCK = RLock()


@contextmanager
def connect_ray(address: str | None = None) -> Iterator[Any]:
    """The Ray in use; else the one at the address or at RAY_ADDRESS; else a local one, stopped after its last user."""
    os.environ.update({name: value for name, value in QUIET_RAY_VARIABLES.items() if name not in os.environ})
    import ray

    me = object()
    try:
        with RAY_LOCK:
            if RAY_USERS or not ray.is_initialized():
                RAY_USERS.append(me)
            if not ray.is_initialized():
                start_ray(ray, address or os.environ.get("RAY_ADDRESS"))
        yield ray
    finally:
        with RAY_LOCK:
            if me in RAY_USERS:
                RAY_USERS.remove(me)
                if not RAY_USERS:
                    stop_ray(ray)


def kill_owned_ray() -> None:
    """Kill the Ray that this process started, at once."""
    worker = sys.modules.get("ray._private.worker")
    node = getattr(worker, "_global_node", None)
    if node is not None and OWNED_RAY["started"]:
        late = owned_ray_processes()
        node.kill_all_processes(check_alive=False, allow_graceful=False)
        for process in late:
            with suppress(Exception):  # it is gone already
                process.kill()


def start_ray(ray: Any, address: str | None) -> None:
    """Connect to the address, or start a local Ray, without its log output and signal handler."""
    OWNED_RAY["started"] = not address
    WRITER_KILLS.add(kill_owned_ray)
    own = (
        {}
        if address
        else {
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_system_config": RAY_SYSTEM_CONFIG,
        }
    )
    logging.getLogger("ray").setLevel(logging.ERROR)
    before = getsignal(SIGTERM)
    try:
        with export_import_path():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except SystemExit:  # raised by Ray's SIGTERM handler; ours may do better
        if callable(before):
            before(SIGTERM, None)
        raise
    except Exception as error:
        what = f"no Ray answers at {address}" if address else "Ray does not start"
        raise RayError(f"{what} ({' '.join(str(error).split())}); use threads, or restart Ray") from error
    finally:
        if current_thread() is main_thread() and before is not None:  # Ray's handler would end the process at once
            signal(SIGTERM, before)


@contextmanager
def export_import_path() -> Iterator[None]:
    """Let processes that are started in this block import what this process can import."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def stop_ray(ray: Any) -> None:
    """Disconnect from Ray; also end workers that are still starting, which would wait for it."""
    late = owned_ray_processes() if OWNED_RAY["started"] else []
    try:
        ray.shutdown()
    finally:
        for process in late:
            with suppress(Exception):  # it is gone already
                process.kill()


def owned_ray_processes() -> list[Any]:
    """The processes of the Ray that this process started, and their children; all of them name its session."""
    import psutil

    node = getattr(sys.modules.get("ray._private.worker"), "_global_node", None)
    session = "" if node is None else Path(node.get_session_dir_path()).name
    found = []
    for process in psutil.process_iter() if session else ():
        with suppress(psutil.Error):
            if session in " ".join(process.cmdline()):
                found += [process, *process.children(recursive=True)]
    return found
