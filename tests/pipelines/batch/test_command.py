"""`motion-imitate batch`: whatever happens to clips, processes and machines, all that can be made is made, once."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import nullcontext
from importlib.util import find_spec

import jaxtyping
import pytest

from motion_imitate.video import probe
from pipelines.batch import command, forecast
from pipelines.batch import local_workers as pool
from pipelines.batch import scheduler as work
from pipelines.cli.commands import main
from pipelines.streaming.ray_cluster import QUIET_RAY_VARIABLES
from tests.support import ROOT
from tests.support.batches import PHOTO, SMALL, clips, results, serve
from tests.support.fake_workers import InProcessPool, in_process_pool, open_in_process_pool

COUNT, FRAMES = 3, 5  # clips, and frames of each

ray_here = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


def run(given, out, *words):
    return main(["batch", str(given), str(out), *SMALL, *map(str, words)])


def states(out):
    with sqlite3.connect(out / "manifest.sqlite") as table:
        table.row_factory = sqlite3.Row
        return {row["id"]: dict(row) for row in table.execute("select * from items")}


def began(out, count, seconds=120):
    """Waits until so many items are done."""
    for _ in range(10 * seconds):
        if len(list(out.glob("*.mp4.json"))) >= count:
            return
        time.sleep(0.1)
    pytest.fail(f"no {count} items were done in {seconds} s")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given") / "clips"
    clips(folder, COUNT, FRAMES)
    return folder


@pytest.fixture
def in_process(monkeypatch, unchecked_shapes):
    """The workers are functions of this process, not processes of their own."""
    monkeypatch.setattr(command, "open_worker_pool", open_in_process_pool)
    monkeypatch.setattr(forecast, "local_worker_pool", in_process_pool)


@pytest.fixture(scope="module")
def undisturbed(given, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "open_worker_pool", open_in_process_pool)
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        assert run(given, out, "--quiet") == 0
    assert len(results(out)) == COUNT
    return out


def test_good_clips_are_made_and_bad_ones_told_of(given, undisturbed, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    shutil.copytree(given, mixed)
    (mixed / "empty.mp4").touch()
    (mixed / "text.mp4").write_text("this is no video")
    out = tmp_path / "out"
    assert run(mixed, out, "--workers", "1") == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()[:-1]]
    assert {one["id"]: one["state"] for one in told} == {id: row["state"] for id, row in states(out).items()}
    assert results(out) == results(undisturbed)
    rows = states(out)
    assert {id: row["state"] for id, row in rows.items() if row["state"] != "done"} == {
        "empty.mp4": "failed",
        "text.mp4": "failed",
    }
    for id in ("empty.mp4", "text.mp4"):
        assert (rows[id]["kind"], rows[id]["attempts"]) == ("input", 1)
        assert id in rows[id]["reason"]
    fine = rows["0000.mp4"]
    assert fine["frames"] == probe(out / "0000.mp4").frames == FRAMES
    assert fine["seconds"] > 0
    assert fine["peak_mib"] > 100
    beside = json.loads((out / "0000.mp4.json").read_text())
    assert (beside["key"], beside["frames"]) == (fine["key"], FRAMES)

    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == COUNT
    assert f"{COUNT} done, 2 failed" in page
    assert "empty.mp4 is empty" in page

    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*.mp4")}
    assert run(mixed, out, "--json") == 1  # again: there is nothing left to do
    assert json.loads(capsys.readouterr().out)["done"] == COUNT
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.mp4")} == stamps


def test_a_motion_is_looked_at_once_for_everybody(given, in_process, tmp_path, capsys):
    people = tmp_path / "people"
    people.mkdir()
    shutil.copy(PHOTO, people / "anna.jpg")
    shutil.copy(ROOT / "assets" / "demo" / "photo.jpg", people / "bob.jpg")
    [first, *_] = sorted(given.iterdir())
    lines = [f"{people / name},{first},{name}.mp4" for name in ("anna.jpg", "bob.jpg")]
    (tmp_path / "list.csv").write_text("\n".join(["source,driving,output", *lines]))
    out = tmp_path / "out"
    assert main(["batch", str(tmp_path / "list.csv"), str(out), *SMALL[2:], "--workers", "2", "--quiet"]) == 0
    assert len(list((out / ".batch" / "motions").iterdir())) == 1
    one, two = results(out).values()
    assert one != two


@pytest.mark.slow
def test_clips_that_kill_or_stop_their_process_never_stop_the_others(given, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "serve_batch_items", serve)
    mixed, out = tmp_path / "mixed", tmp_path / "out"
    shutil.copytree(given, mixed)
    shutil.copy(given / "0000.mp4", mixed / "0000_poison.mp4")
    shutil.copy(given / "0000.mp4", mixed / "0001_hang.mp4")
    monkeypatch.setattr(work, "MAX_ATTEMPTS", 2)
    assert run(mixed, out, "--workers", "2", "--patience", "25", "--quiet") == 1
    rows = states(out)
    assert {id for id, row in rows.items() if row["state"] == "failed"} == {"0000_poison.mp4", "0001_hang.mp4"}
    for id, words in (
        ("0000_poison.mp4", "was killed (SIGKILL)"),
        ("0001_hang.mp4", "not done after 25 s plus 1 s per frame"),
    ):
        assert (rows[id]["kind"], rows[id]["attempts"]) == ("system", 2)
        assert words in rows[id]["reason"]
    assert results(out) == results(undisturbed)
    assert len(rows["0000_poison.mp4"]["reason"].splitlines()) == 1


def driver(given, out, *words):
    command = [sys.executable, "-m", "pipelines.cli", "batch", str(given), str(out), *SMALL, *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_batch_that_was_stopped_does_exactly_what_is_left(given, undisturbed, tmp_path, end):
    out = tmp_path / "out"
    first = driver(given, out, "--workers", "1")
    began(out, 2)
    begun = time.monotonic()
    first.send_signal(end)
    first.wait(10)
    assert time.monotonic() - begun < 5
    if end == signal.SIGINT:
        assert first.returncode == 130
        assert {row["state"] for row in states(out).values()} == {"done", "queued"}
        assert not (out / ".batch" / "lock_owner.json").exists()
    time.sleep(1.5)  # its process sees that nobody is there
    done = {path: path.stat().st_mtime_ns for path in out.glob("*.mp4") if path.with_name(f"{path.name}.json").exists()}
    assert 2 <= len(done) < COUNT
    assert run(given, out, "--quiet") == 0
    assert results(out) == results(undisturbed)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert all(row["state"] == "done" and row["attempts"] <= 1 for row in states(out).values())
    assert not [path for path in out.rglob("*.part") if path.name.startswith(".")] or end == signal.SIGKILL


def test_a_batch_that_was_interrupted_does_exactly_what_is_left(given, undisturbed, in_process, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(command, "open_worker_pool", lambda *_: nullcontext(InProcessPool(2, most=2)))
        assert run(given, out, "--quiet") == 130
    assert [row["state"] for row in states(out).values()] == ["done"] * 2 + ["queued"] * (COUNT - 2)
    assert not (out / ".batch" / "lock_owner.json").exists()
    assert (out / "report.html").read_text().count("data:image/jpeg;base64,") == 2
    done = {path: path.stat().st_mtime_ns for path in out.glob("*.mp4")}
    assert len(done) == 2
    assert run(given, out, "--quiet") == 0
    assert results(out) == results(undisturbed)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert {(row["state"], row["attempts"]) for row in states(out).values()} == {("done", 1)}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pgrep") is None, reason="processes are found by pgrep")
@pytest.mark.parametrize("seed", range(20))
def test_killed_processes_leave_no_trace_in_the_results_twenty_times(given, undisturbed, tmp_path, seed):
    chance, out = random.Random(seed), tmp_path / "out"
    first = driver(given, out, "--workers", "2")
    for _ in range(3):
        time.sleep(chance.uniform(4, 14))
        found = subprocess.run(["pgrep", "-P", str(first.pid), "-f", "spawn_main"], capture_output=True, text=True)
        if workers := sorted(map(int, found.stdout.split())):
            os.kill(chance.choice(workers), signal.SIGKILL)
    said, wrong = first.communicate(timeout=240)
    assert first.returncode == 0, wrong
    assert results(out) == results(undisturbed)
    told = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert sorted(one["id"] for one in told) == sorted(results(undisturbed))  # each was done once


def test_what_would_be_done_is_told_without_doing_it(given, in_process, tmp_path, capsys):
    out = tmp_path / "out"
    other = tmp_path / "other_person.jpg"  # of the same pixels, so that it is prepared once
    shutil.copy(PHOTO, other)
    photos = [str(PHOTO), str(other)]
    words = ["--source", *photos, *SMALL[2:], "--dry-run", "--limit", "3", "--json"]
    assert main(["batch", str(given), str(out), *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["would_do"] == ["one_person/0000.mp4", "other_person/0000.mp4", "one_person/0001.mp4"]
    assert told["items"] == 2 * COUNT
    out = tmp_path / "other"
    assert run(given, out, "--dry-run", "--json", "--limit", "2") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["would_do"] == ["0000.mp4", "0001.mp4"]
    assert (told["frames"], told["queued"]) == (2 * FRAMES, COUNT)
    assert told["seconds"] > 0
    assert results(out) == {}


def test_a_limit_leaves_the_rest_for_later(given, undisturbed, in_process, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(given, out, "--limit", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["queued"] == COUNT - 1
    assert results(out) == {"0000.mp4": results(undisturbed)["0000.mp4"]}


def test_what_cannot_be_is_said_before_anything_is_done(given, tmp_path, capsys):
    for words, sentence in (
        (["--gpus-per-worker", "1"], "--on ray"),
        (["--on", "ray", "--device", "cuda"], "needs --gpus-per-worker"),
        (["--body", "smpl"], "leave --body out"),
        (["--background", "nowhere.png"], "no file nowhere.png"),
    ):
        assert run(given, tmp_path / "out", *words) == 2
        assert re.search(sentence, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, with room for little."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=144k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_full_disk_is_told_of_and_the_rest_is_done_when_there_is_room(
    given, undisturbed, small_disk, capsys, real, request
):
    """By workers of this process, and by processes."""
    if not real:
        request.getfixturevalue("in_process")
    out = small_disk / "out"
    assert run(given, out, "--workers", "1", "--quiet") == 1
    said = capsys.readouterr().err + "".join(row["reason"] or "" for row in states(out).values())
    assert "free some space" in said
    assert len(results(out)) < COUNT
    assert all(results(out)[name] == data for name, data in results(undisturbed).items() if name in results(out))
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert run(given, out, "--quiet", "--retry-failed") == 0
    assert results(out) == results(undisturbed)


@pytest.mark.slow
def test_a_thousand_clips(tmp_path, capsys):
    """3 % of them bad; two processes and the whole program are killed on the way."""
    given, out = tmp_path / "given", tmp_path / "out"
    clips(given, 1000)
    for k, bad in enumerate(range(17, 1000, 33)):
        (given / f"{bad:04}.mp4").write_bytes((b"", b"no video", b"\0" * 5000)[k % 3])
    begun = time.monotonic()
    first = driver(given, out, "--workers", "2")
    for count in (150, 300):
        began(out, count, 1800)
        found = subprocess.run(["pgrep", "-P", str(first.pid), "-f", "spawn_main"], capture_output=True, text=True)
        os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    began(out, 500, 1800)
    first.kill()
    before = [json.loads(line) for line in first.communicate()[0].splitlines() if line.startswith("{")]
    time.sleep(1.5)
    done = {path: path.stat().st_mtime_ns for path in out.glob("*.mp4") if path.with_name(f"{path.name}.json").exists()}
    second = driver(given, out, "--workers", "2")
    after = [json.loads(line) for line in second.communicate()[0].splitlines() if line.startswith("{")]
    took = time.monotonic() - begun
    assert second.returncode == 1
    rows = states(out).values()
    assert [sum(row["state"] == state for row in rows) for state in ("done", "failed")] == [970, 30]
    assert {row["kind"] for row in rows if row["state"] == "failed"} == {"input"}
    assert all(probe(out / row["id"]).frames == 8 for row in rows if row["state"] == "done")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert not {one["id"] for one in before} & {one["id"] for one in after}
    with capsys.disabled():
        print(f"\n1000 clips by 2 processes: {took:.0f} s, {took / 1000:.2f} s a clip")


@pytest.mark.slow
@ray_here
def test_ray_makes_the_same(given, undisturbed, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(given, out, "--on", "ray", "--workers", "2", "--quiet") == 0
    assert results(out) == results(undisturbed)
    assert run(given, tmp_path / "other", "--on", "ray", "--workers", "2", "--gpus-per-worker", "1") == 2
    assert "GPUs" in capsys.readouterr().err


@pytest.mark.slow
@ray_here
def test_a_lost_machine_does_not_count_as_an_attempt(given, undisturbed, tmp_path):
    """Three machines of a cluster, each a set of processes here; one is taken away while it works."""
    script = ROOT / "tests" / "support" / "lose_a_node.py"
    places = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, str(script), str(given), str(tmp_path / "out")]
    env = os.environ | QUIET_RAY_VARIABLES | {"PYTHONPATH": places}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = states(tmp_path / "out")
    assert {row["state"] for row in rows.values()} == {"done"}
    assert {row["attempts"] for row in rows.values()} == {1}
    assert "lost" in done.stdout
    assert results(tmp_path / "out") == results(undisturbed)
