"""Uploads: limited, looked at, stored under random names; nothing is left of what is refused."""

import asyncio
import sqlite3
import time
import zipfile
from collections import namedtuple
from io import BytesIO

import pytest

from motion_imitate.weights import find_asset
from pipelines.batch.manifest import Manifest
from pipelines.web import queue, uploads
from pipelines.web.options import WebOptions
from pipelines.web.worker import inspect_upload
from tests.support.web_app import open_browser

Disk = namedtuple("Disk", "free")


def left(browser):
    return [*browser.store.manifest.folder.joinpath("uploads").iterdir()]


@pytest.fixture
def browser(tmp_path):
    with open_browser(tmp_path, how=WebOptions(upload_mb=0.01)) as opened:
        yield opened


@pytest.fixture(scope="module")
def looking_browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("web"), inspect=inspect_upload) as opened:
        yield opened


def test_names_of_files_are_shown_and_never_used_on_disk(browser):
    answer = browser.post(
        "/api/uploads", params={"kind": "photo", "name": "C:\\a\\../..\0/<img onerror=1>.jpg"}, content=b"data"
    ).json()
    assert answer["name"] == "<img onerror=1>.jpg"
    [folder] = left(browser)
    assert folder.name == answer["id"]
    assert {path.name for path in folder.iterdir()} == {"file", "small.jpg"}


def test_too_much_is_refused_whether_announced_or_not(browser):
    assert "larger than 0.01 MB" in browser.give("clip", b"x" * 10_001, status=413)

    def endless():
        for _ in range(1000):
            yield b"x" * 1000

    answer = browser.post("/api/uploads", params={"kind": "clip"}, content=endless())
    assert answer.status_code == 413
    assert left(browser) == []


def test_an_empty_file_and_an_unknown_kind_are_refused(browser):
    assert browser.give(data=b"", status=422) == "the file is empty; choose another one"
    assert "kind" in browser.give("virus", status=422)
    assert left(browser) == []


def test_a_full_disk_is_said_and_leaves_nothing(browser, monkeypatch):
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: Disk(free=1000))
    assert "the server's disk is full" in browser.give(status=507)
    assert left(browser) == []


def test_a_full_disk_under_the_queue_is_said_and_the_queue_goes_on(browser, monkeypatch):
    photo = browser.give()
    with monkeypatch.context() as patch:
        patch.setattr(type(browser.store), "add_job", refuse_to_write)
        assert "the server's disk is full" in browser.ask(507, photos=[photo])
    with monkeypatch.context() as patch:
        patch.setattr(queue, "FAULT_SECONDS", 0.01)
        patch.setattr(queue.JobQueue, "step", refuse_to_write)
        time.sleep(0.3)
    browser.until(browser.ask(photos=[photo]), "done")


@pytest.mark.parametrize(("step", "ends"), [("begin", "done"), ("end", "done"), ("change", "cancelled")])
def test_no_step_of_a_job_is_lost_while_the_disk_is_full(browser, monkeypatch, step, ends):
    monkeypatch.setattr(queue, "FAULT_SECONDS", 0.01)
    browser.jobs.free.clear()
    with monkeypatch.context() as patch:
        if step == "begin":
            patch.setattr(Manifest, step, refuse_to_write)
        job = browser.ask()
        if step != "begin":
            browser.until(job, "running")
            patch.setattr(Manifest, step, refuse_to_write)
        if step == "change":
            browser.post(f"/api/jobs/{job}/cancel")
        else:
            browser.jobs.free.set()
        time.sleep(0.3)
        assert browser.get(f"/api/jobs/{job}").json()["state"] == ("queued" if step == "begin" else "running")
    browser.until(job, ends)
    browser.jobs.free.set()
    assert len(browser.jobs.started) == 1


def refuse_to_write(*_, **__):
    raise sqlite3.OperationalError("database or disk is full")


def test_an_upload_that_stops_is_given_up(browser, monkeypatch):
    monkeypatch.setattr(uploads, "CHUNK_TIMEOUT", 0.05)

    async def stall():
        yield b"begin"
        await asyncio.sleep(60)

    with pytest.raises(uploads.Refusal, match="stopped in the middle"):
        asyncio.run(uploads.receive_upload(stall(), "clip", "", "me", browser.store, None, 1))
    assert left(browser) == []


def test_a_visitor_who_goes_away_leaves_nothing(browser):
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/uploads",
        "query_string": b"kind=clip",
        "headers": [(b"host", b"127.0.0.1")],
    }
    messages = [{"type": "http.request", "body": b"begin", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(browser.app(scope, receive, send))
    assert left(browser) == []
    assert sent[0]["status"] == 499


def png_header(width, height):
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\2\0\0\0" + b"\0" * 40


def zip_bomb():
    data = BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file, file.open("pose.npy", "w") as part:
        for _ in range(64):
            part.write(bytes(1 << 20))
    return data.getvalue()


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("photo", b"# a text", "me.jpg is not a PNG"),
        ("photo", png_header(30_000, 30_000), "over the limit"),
        ("photo", b"\xff\xd8\xff\xe0 cut off", "me.jpg"),
        ("clip", b"# a text", "me.jpg is not a video"),
        ("clip", b"ffconcat version 1.0\nfile /etc/passwd\n", "me.jpg"),
        ("clip", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n", "me.jpg"),
        ("motion", b"PK\3\4 no archive", "me.jpg"),
        ("motion", zip_bomb(), "me.jpg"),
        ("background", b"<svg onload='x'/>", "me.jpg"),
    ],
)
def test_files_of_another_kind_and_bombs_are_refused_in_one_sentence(looking_browser, kind, data, said):
    error = looking_browser.give(kind, data, status=422)
    assert said in error
    assert "\n" not in error
    assert str(looking_browser.store.manifest.folder) not in error
    assert not any(path.joinpath("file").read_bytes() == data for path in left(looking_browser))


def test_the_samples_are_looked_at_like_uploads(looking_browser):
    clip = looking_browser.post("/api/samples/clip").json()
    assert (clip["width"], clip["height"], clip["frames"], clip["advice"]) == (540, 960, 100, [])
    shown = looking_browser.get(clip["picture"])
    assert (shown.headers["content-type"], shown.content[:2]) == ("image/jpeg", b"\xff\xd8")
    played = looking_browser.get(f"/api/uploads/{clip['id']}/file", headers={"range": "bytes=0-7"})
    assert (played.status_code, played.headers["content-type"], played.content[4:]) == (206, "video/mp4", b"ftyp")
    assert looking_browser.post("/api/samples/..").status_code in (404, 405, 422)


def test_what_will_suffer_of_a_photo_is_said_at_once(looking_browser):
    found = looking_browser.post(
        "/api/uploads", params={"kind": "photo"}, content=find_asset("demo/photo.jpg").read_bytes()
    ).json()
    assert (found["width"], found["height"], found["people"], found["advice"]) == (1200, 1600, 1, [])


@pytest.mark.parametrize("path", ["../../manifest.sqlite", "..%2f..%2fmanifest.sqlite", "%2e%2e/manifest.sqlite"])
def test_no_path_leads_out_of_the_uploads(browser, path):
    for route in ("uploads/{}/picture", "uploads/{}/file", "jobs/{}/result"):
        assert browser.get(f"/api/{route.format(path)}").status_code in (404, 405)
    assert browser.get(f"/static/{path}").status_code == 404


def test_only_clips_are_sent_back_as_they_came(browser):
    photo = browser.give()
    assert browser.get(f"/api/uploads/{photo}/file").status_code == 404
    assert browser.delete(f"/api/uploads/{photo}").status_code == 204
    assert browser.get(f"/api/uploads/{photo}").status_code == 404
    assert left(browser) == []
