"""Jobs: asked for with the command line's options, queued, run elsewhere, and fetched."""

import json
from pathlib import Path

import pytest

from pipelines.batch.outcome import ItemOutcome
from pipelines.web.options import WebOptions
from pipelines.web.work import hide_paths
from tests.support.web_app import LOST, open_browser, write_result


@pytest.fixture
def browser(tmp_path):
    with open_browser(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("web")) as opened:
        yield opened


def test_a_job_is_queued_run_and_fetched_also_in_parts(browser):
    photo, clip = browser.give(), browser.give("clip")
    id = browser.ask(task="imitate", photos=[photo], clip=clip, options={"camera": "source"})
    job = browser.until(id, "done")
    assert (job["frames"], job["media"], job["warnings"]) == (30, "video/mp4", ["a warning"])
    assert browser.get(job["result"]).content == b"0123456789"
    part = browser.get(job["result"], headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    saved = browser.get(job["result"], params={"download": True})
    assert 'filename="motion-imitate.mp4"' in saved.headers["content-disposition"]
    assert browser.get(job["strip"]).content == b"strip"


def test_workers_get_the_command_lines_own_options(browser):
    clip = browser.give("clip")
    browser.ask(task="imitate", clip=clip, preview=True, options={"quality": "best", "view": 90, "size": "320"})
    browser.ask(task="novel-view", options={"turns": -1.5, "azimuth": [0, 90]})
    browser.ask(task="dress", clothes={"upper": browser.give()}, options={"background": "#336699"})
    last = browser.ask(task="avatar", options={"size": 640})
    browser.until(last, "done")
    imitated, turned, dressed, avatar = browser.jobs.started
    assert (imitated.drawing.preview, imitated.drawing.view, imitated.looking.quality) == (True, 90, "best")
    assert (imitated.looking.size, imitated.motion) == (320, None)
    assert (turned.drawing.turns, turned.drawing.azimuth, turned.out.name) == (-1.5, (0, 90), "result.png")
    assert dressed.drawing.background == "#336699"
    assert list(dressed.wear.photos) == ["upper"]
    assert (avatar.how.size, avatar.out.name) == (640, "result.glb")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"options": {"speed": 2}}, "novel-view has no option 'speed' here"),
        ({"options": {"weights": "x.safetensors"}}, "no option 'weights'"),
        ({"options": {"turns": 1e6}}, "Must be <= 100"),
        ({"options": {"azimuth": [0, None]}}, "options.azimuth: give a number, words"),
        ({"options": {"pose": "handstand"}}, "handstand"),
        ({"task": "imitate"}, "choose a clip or a stored motion"),
        ({"task": "dress"}, "clothes"),
        ({"photos": []}, "photos"),
        ({"photos": ["0" * 32]}, "the photo is not there any more"),
        ({"photos": ["../../etc/passwd"]}, "photos.0"),
        ({"task": "fly"}, "task"),
        ({"shell": "rm"}, "shell"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(shared_browser, request_, said):
    error = shared_browser.ask(422, **request_)
    assert said in error
    assert "\n" not in error


def test_options_that_exclude_each_other_are_refused_before_the_queue(browser):
    stored = browser.give("motion")
    assert "--background driving needs a video" in browser.ask(
        422, task="imitate", motion=stored, options={"background": "driving"}
    )
    assert "--sweep needs a moment" in browser.ask(422, task="imitate", motion=stored, options={"sweep": 90})
    assert browser.jobs.started == []


def test_the_person_follows_a_clip_in_the_clothes_of_another(browser):
    clip, clothes = browser.give("clip"), browser.give()
    asked = {"task": "imitate", "clip": clip, "clothes": {"all": clothes}}
    browser.until(browser.ask(**asked, options={"parts": ["upper", "shoes"]}), "done")
    worn = {part: file.parent.name for part, file in browser.jobs.started[0].wear.photos.items()}
    assert worn == {"upper": clothes, "shoes": clothes}
    assert "hat" in browser.ask(422, **asked, options={"parts": ["hat"]})
    assert "add --clothes" in browser.ask(422, task="imitate", clip=clip, options={"parts": ["upper"]})
    assert "avatars only" in browser.ask(422, **asked, options={"renderer": "pg2"})


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "file:///etc/passwd", "#12345", "0" * 32])
def test_no_path_of_a_visitor_is_opened_as_a_background(shared_browser, path):
    assert "background" in shared_browser.ask(422, options={"background": path})


def test_an_upload_serves_only_for_what_it_was_given(browser):
    clip = browser.give("clip", name="walk.mp4")
    assert "walk.mp4 was given as a clip" in browser.ask(422, photos=[clip])
    backdrop = browser.give("background")
    id = browser.ask(options={"background": backdrop})
    browser.until(id, "done")
    assert browser.jobs.started[-1].drawing.background.endswith(f"{backdrop}/file")


def test_the_same_clip_given_twice_has_one_motion(browser):
    for name in ("a.mp4", "b.mp4"):
        last = browser.ask(task="imitate", clip=browser.give("clip", b"the same", name))
    browser.until(last, "done")
    first, second = browser.jobs.started
    assert first.motion == second.motion
    assert first.clip != second.clip
    assert browser.get(f"/api/jobs/{last}/motion").status_code == 404
    first.motion.write_bytes(b"motion")
    assert browser.get(f"/api/jobs/{last}/motion").content == b"motion"


def test_a_waiting_job_and_a_running_one_are_cancelled(browser):
    browser.jobs.free.clear()
    running, waiting = browser.ask(), browser.ask()
    browser.until(running, "running")
    assert browser.get(f"/api/jobs/{waiting}").json()["ahead"] == 0
    assert [browser.delete(f"/api/jobs/{id}").status_code for id in (running, waiting)] == [409, 409]
    for id in (waiting, running):
        assert browser.post(f"/api/jobs/{id}/cancel").status_code == 202
        browser.until(id, "cancelled")
    browser.jobs.free.set()
    browser.until(browser.ask(), "done")
    assert browser.delete(f"/api/jobs/{running}").status_code == 204
    assert browser.get(f"/api/jobs/{running}").status_code == 404


def test_progress_is_that_of_the_command_line(browser):
    browser.jobs.free.clear()
    id = browser.ask()
    assert browser.until(id, "running")["progress"] == {}
    folder = browser.store.job_folder(id)
    folder.mkdir(exist_ok=True)
    record = {"progress": "novel-view", "frames": 8, "of": 90, "frames_per_second": 4.0, "seconds_left": 20.5}
    (folder / "progress.json").write_text(json.dumps(record))
    assert browser.get(f"/api/jobs/{id}").json()["progress"] == record


def test_a_job_survives_a_restart_of_the_server(tmp_path):
    with open_browser(tmp_path) as browser:
        browser.jobs.free.clear()
        running, waiting, cookies = browser.ask(), browser.ask(), dict(browser.cookies)
        browser.until(running, "running")
    with open_browser(tmp_path) as browser:
        browser.cookies.update(cookies)
        assert [browser.until(id, "done")["state"] for id in (running, waiting)] == ["done", "done"]


def test_a_lost_worker_is_tried_once_more_and_then_said(tmp_path):
    results = [LOST, None, LOST, LOST]

    def perform(item):
        return results.pop(0) or write_result(item)

    with open_browser(tmp_path, perform) as browser:
        assert browser.until(browser.ask(), "done")["frames"] == 30
        assert browser.until(browser.ask(), "failed")["error"] == LOST.reason
        assert len(browser.jobs.started) == 4


def test_faults_name_the_visitors_files_and_no_folder_of_the_server(tmp_path):
    def perform(item):
        return ItemOutcome("input", f"nobody is seen in {item.photos[0]}; give another", warnings=(f"{item.out}: x",))

    with open_browser(tmp_path, perform) as browser:
        job = browser.until(browser.ask(photos=[browser.give(name="Ada.heic")]), "failed")
        assert job["error"] == "nobody is seen in Ada.heic; give another"
        assert str(tmp_path) not in json.dumps(job)
    names = {Path("/srv/uploads/a1/file"): "Ada.heic", Path("/srv/motions"): "the motion"}
    assert hide_paths("file: /srv/uploads/a1/file is cut off", names) == "Ada.heic is cut off"
    assert hide_paths("/srv/motions/b2.npz cannot be written.", names) == "the motion cannot be written."


def test_fifty_jobs_wait_in_order_and_the_next_is_refused(tmp_path):
    with open_browser(tmp_path, how=WebOptions(queue=50)) as browser:
        browser.jobs.free.clear()
        photo = browser.give()
        running = browser.ask(photos=[photo])
        browser.until(running, "running")
        ids = [browser.ask(photos=[photo]) for _ in range(50)]
        assert browser.get(f"/api/jobs/{ids[-1]}").json()["ahead"] == 49
        assert "50 jobs are waiting already" in browser.ask(503, photos=[photo])
        browser.jobs.free.set()
        browser.until(ids[-1], "done")
        assert [item.id for item in browser.jobs.started] == [running, *ids]


def test_visitors_see_their_own_jobs_only(browser):
    mine = browser.ask()
    browser.cookies.clear()
    assert browser.get("/api/jobs").json() == []
    browser.get("/")
    theirs = browser.ask()
    assert [job["id"] for job in browser.get("/api/jobs").json()] == [theirs]
    assert mine != theirs


def test_old_uploads_and_results_are_deleted_but_not_those_in_use(browser):
    done, kept = browser.ask(), browser.give()
    browser.until(done, "done")
    browser.jobs.free.clear()
    running = browser.ask(photos=[kept])
    browser.until(running, "running")
    result = browser.store.job_folder(done)
    assert result.is_dir()
    browser.store.delete_older(-1)
    assert browser.get(f"/api/jobs/{done}").status_code == 404
    assert not result.exists()
    assert browser.get(f"/api/uploads/{kept}").status_code == 200
    assert len([*result.parent.parent.joinpath("uploads").iterdir()]) == 1
