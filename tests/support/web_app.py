"""The web application with workers that render nothing, in this process."""

from contextlib import contextmanager
from threading import Event
from time import monotonic, sleep

from starlette.testclient import TestClient

from pipelines.batch.local_workers import WorkerLost
from pipelines.batch.manifest import open_manifest
from pipelines.batch.outcome import ItemOutcome
from pipelines.web.app import create_app
from pipelines.web.options import WebOptions
from pipelines.web.queue import Inspector, JobQueue
from pipelines.web.store import WebStore
from pipelines.web.work import Inspected

HERE = "http://127.0.0.1:8765"
FOUND = Inspected({"width": 4, "height": 4, "frames": 30, "rate": 30.0, "seconds": 1.0, "advice": []})
LOST = WorkerLost("the worker process was killed (SIGKILL)")


def write_result(item):
    item.out.parent.mkdir(exist_ok=True)
    item.out.write_bytes(b"0123456789")
    return ItemOutcome("done", "", 30, 0.5, 100.0, "here", ("a warning",), b"strip")


def find_nothing_wrong(work):
    work.picture.write_bytes(b"picture")
    return FOUND


class FakePool:
    """Performs an item in `wait`, once `free` is set."""

    def __init__(self, perform, workers=1):
        self.perform, self.workers = perform, workers
        self.given, self.started, self.free = [], [], Event()
        self.free.set()

    def idle_workers(self):
        return self.workers - len(self.given)

    def start(self, item):
        self.given.append(item)
        self.started.append(item)
        return "here"

    def wait(self, seconds):
        if not self.free.wait(0.02):
            return []
        done, self.given = self.given, []
        return [(item, self.perform(item)) for item in done]

    def end(self, item):
        self.given.remove(item)

    def kill_workers(self):
        self.given.clear()


class Browser(TestClient):
    """A visitor of the page, with the work of the server beside it."""

    def __init__(self, app, jobs, looks, store):
        super().__init__(app, HERE, raise_server_exceptions=False)
        self.jobs, self.looks, self.store = jobs, looks, store

    def give(self, kind="photo", data=b"data", name="me.jpg", status=201):
        answer = self.post("/api/uploads", params={"kind": kind, "name": name}, content=data)
        assert answer.status_code == status, answer.text
        return answer.json()["id"] if status == 201 else answer.json()["error"]

    def ask(self, status=201, task="novel-view", **request):
        request.setdefault("photos", [] if "photos" in request else [self.give()])
        answer = self.post("/api/jobs", json={"task": task, **request})
        assert answer.status_code == status, answer.text
        return answer.json()["id"] if status == 201 else answer.json()["error"]

    def until(self, id, *states):
        end = monotonic() + 10
        while (job := self.get(f"/api/jobs/{id}").json())["state"] not in states:
            assert monotonic() < end, job
            sleep(0.01)
        return job


@contextmanager
def open_browser(folder, perform=write_result, inspect=find_nothing_wrong, how=None):
    """A visitor of a running server."""
    jobs, looks = FakePool(perform), FakePool(inspect)
    with open_manifest(folder) as manifest:
        store = WebStore.of(manifest)
        app = create_app(JobQueue(store, jobs, how or WebOptions()), Inspector(looks))
        with Browser(app, jobs, looks, store) as browser:
            browser.get("/")
            yield browser
