"""Ray, as long as somebody uses it: one that is there already, or one of our own that leaves nothing behind."""

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

from pipelines.output_path import Refused

STORE = 256 << 20  # bytes that wait between processes in memory; what is beyond goes to disk
SYSTEM = {"task_events_report_interval_ms": 0}  # else ending takes five seconds where all of Ray is told to end at once
QUIET = {  # Ray would tell of dead workers on stdout, and of errors that were never asked for
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}


class RayError(Exception):
    """Ray, or a process of it, is not there or no more."""


def refuse_gpus(nodes: Iterable[Any], workers: int, gpus: float) -> None:
    """Ray would wait for ever for GPUs that there are not."""
    if not gpus:
        return
    there = [node["Resources"].get("GPU", 0.0) for node in nodes if node["Alive"]]
    room = sum(floor(has / gpus) if gpus >= 1 else floor(has) * floor(1 / gpus) for has in there)
    if room < workers:
        raise Refused(
            f"{workers} workers with {gpus:g} GPUs each were asked for, but Ray has {sum(there):g} GPUs, room for "
            f"{room}; ask for fewer, or for none"
        )


USERS: list[object] = []  # of the Ray that was started, or joined, here
OURS = {"started": False}  # whether it is one of our own
TURN = RLock()


@contextmanager
def cluster(address: str | None = None) -> Iterator[Any]:
    """Ray: the one in use already; else the one at the address or at RAY_ADDRESS, or one of our own, until its last
    user is done."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    import ray

    me = object()
    try:
        with TURN:
            if USERS or not ray.is_initialized():
                USERS.append(me)
            if not ray.is_initialized():
                start(ray, address or os.environ.get("RAY_ADDRESS"))
        yield ray
    finally:
        with TURN:
            if me in USERS:
                USERS.remove(me)
                if not USERS:
                    stop(ray)


def kill() -> None:
    """Ends the Ray that was started here on the spot."""
    worker = sys.modules.get("ray._private.worker")
    node = getattr(worker, "_global_node", None)
    if node is not None and OURS["started"]:
        late = processes()
        node.kill_all_processes(check_alive=False, allow_graceful=False)
        for process in late:
            with suppress(Exception):  # it is gone already
                process.kill()


def start(ray: Any, address: str | None) -> None:
    OURS["started"] = not address
    own = {} if address else {"object_store_memory": STORE, "include_dashboard": False, "_system_config": SYSTEM}
    logging.getLogger("ray").setLevel(logging.ERROR)
    before = getsignal(SIGTERM)
    try:
        with found_too():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except SystemExit:  # is what Ray makes of being told to end; ours may know better
        if callable(before):
            before(SIGTERM, None)
        raise
    except Exception as error:
        what = f"no Ray answers at {address}" if address else "Ray does not start"
        raise RayError(f"{what} ({' '.join(str(error).split())}); use threads, or start Ray anew") from error
    finally:
        if current_thread() is main_thread() and before is not None:  # Ray would end the process on the spot
            signal(SIGTERM, before)


@contextmanager
def found_too() -> Iterator[None]:
    """Processes started meanwhile find the modules that this one finds, wherever they are started."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def stop(ray: Any) -> None:
    """Workers that are only being started when the rest of Ray ends would wait for it; they are ended too."""
    late = processes() if OURS["started"] else []
    try:
        ray.shutdown()
    finally:
        for process in late:
            with suppress(Exception):  # it is gone already
                process.kill()


def processes() -> list[Any]:
    """Those of the Ray that was started here, and theirs; orphans, too: they all name the session."""
    import psutil  # Ray brings it along

    node = getattr(sys.modules.get("ray._private.worker"), "_global_node", None)
    session = "" if node is None else Path(node.get_session_dir_path()).name
    found = []
    for process in psutil.process_iter() if session else ():
        with suppress(psutil.Error):
            if session in " ".join(process.cmdline()):
                found += [process, *process.children(recursive=True)]
    return found
