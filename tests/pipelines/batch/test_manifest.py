"""What is known of a batch when it is begun again."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.batch.item import BATCH_STATE_FOLDER, BatchItem
from pipelines.batch.manifest import MANIFEST_FILE, open_manifest
from pipelines.batch.outcome import ItemOutcome, outcome_record_path
from pipelines.imitate.options import RenderOptions
from pipelines.motion.options import BaseEstimationOptions
from pipelines.output_path import UsageError
from tests.support import ROOT

FINE = ItemOutcome("done", "", 9, 1.5, 800.0, "here", ("a warning",), b"strip")


def item(folder, name="a.mp4", key="1"):
    return BatchItem(
        name, (folder / "photo.jpg",), folder / "clip.mp4", folder / name, RenderOptions(), BaseEstimationOptions(), key
    )


def planned(folder, *items, again=False, over=False):
    with open_manifest(folder) as manifest:
        manifest.plan_items(items, again, over)
        return [row["state"] for row in manifest.rows(items)]


def settled(folder, one, outcome, made=True):
    with open_manifest(folder) as manifest:
        manifest.plan_items([one], False, False)
        manifest.begin(one, "here")
        if made:
            one.out.write_text("a video")
        manifest.end(one, outcome)


def test_what_is_done_stays_done_until_something_changes(tmp_path):
    one = item(tmp_path)
    settled(tmp_path, one, FINE)
    assert planned(tmp_path, one) == ["done"]
    assert planned(tmp_path, replace(one, key="2")) == ["queued"]  # and its own old result may be replaced
    assert planned(tmp_path, one) == ["queued"]  # by what was begun since
    with open_manifest(tmp_path) as manifest:
        manifest.plan_items([one], False, False)
        manifest.begin(one, "here")
        manifest.end(one, FINE)
        row = manifest.row(one.id)
        assert (row["attempts"], row["frames"], row["warnings"], row["strip"]) == (1, 9, "a warning", b"strip")
    one.out.unlink()
    assert planned(tmp_path, one) == ["queued"]


def test_a_result_that_was_finished_when_nobody_asked_any_more_is_known_by_what_lies_beside_it(tmp_path):
    one = item(tmp_path)
    with open_manifest(tmp_path) as manifest:
        manifest.plan_items([one], False, False)
        manifest.begin(one, "here")
    one.out.write_text("a video")
    assert planned(tmp_path, one) == ["queued"]
    outcome_record_path(one.out).write_text(json.dumps({"key": "1", "frames": 7}))
    with open_manifest(tmp_path) as manifest:
        manifest.plan_items([one], False, False)
        assert (manifest.row(one.id)["state"], manifest.row(one.id)["frames"]) == ("done", 7)


def test_whatever_was_running_is_queued_again(tmp_path):
    one, two = item(tmp_path), item(tmp_path, "b.mp4")
    with open_manifest(tmp_path) as manifest:
        manifest.plan_items([one, two], False, False)
        manifest.begin(one, "here")
        assert [row["state"] for row in manifest.rows([one, two])] == ["running", "queued"]
    assert planned(tmp_path, one, two) == ["queued", "queued"]
    with open_manifest(tmp_path) as manifest:
        assert manifest.row(one.id)["attempts"] == 0  # it is nobody's fault


def test_what_is_left_running_may_be_put_back_at_once(tmp_path):
    one = item(tmp_path)
    with open_manifest(tmp_path) as manifest:
        manifest.plan_items([one], False, False)
        manifest.begin(one, "here")
        manifest.requeue_running()
        assert (manifest.row(one.id)["state"], manifest.row(one.id)["attempts"]) == ("queued", 0)


def test_what_failed_is_tried_again_only_if_asked_for_or_changed(tmp_path):
    one = item(tmp_path)
    settled(tmp_path, one, ItemOutcome("input", "it is empty"), made=False)
    assert planned(tmp_path, one) == ["failed"]
    assert planned(tmp_path, replace(one, key="2")) == ["queued"]
    settled(tmp_path, one, ItemOutcome("system", "the disk is full"), made=False)
    assert planned(tmp_path, one, again=True) == ["queued"]


def test_a_file_of_somebody_elses_is_left_alone(tmp_path):
    one = item(tmp_path)
    one.out.write_text("mine")
    assert planned(tmp_path, one) == ["skipped"]
    assert planned(tmp_path, one) == ["skipped"]
    assert planned(tmp_path, one, over=True) == ["queued"]


def test_an_attempt_that_does_not_count_leaves_no_trace(tmp_path):
    one = item(tmp_path)
    with open_manifest(tmp_path) as manifest:
        manifest.plan_items([one], False, False)
        for counted, attempts in ((True, 1), (False, 1), (True, 2)):
            manifest.begin(one, "here")
            manifest.back(one, "lost", counted)
            assert (manifest.row(one.id)["attempts"], manifest.row(one.id)["state"]) == (attempts, "queued")


def test_contents_are_read_once_until_they_change(tmp_path, monkeypatch):
    clip = tmp_path / "clip.mp4"
    clip.write_text("one")
    with open_manifest(tmp_path) as manifest:
        first = manifest.cached_digest(clip)
    with open_manifest(tmp_path) as manifest, monkeypatch.context() as patch:
        patch.setattr("pipelines.batch.manifest.file_sha256", lambda _: pytest.fail("it was read again"))
        assert manifest.cached_digest(clip) == first
    clip.write_text("other")
    os.rename(clip, os.fsencode(tmp_path) + b"/\xff.mp4")
    clip = tmp_path / os.fsdecode(b"\xff.mp4")
    with open_manifest(tmp_path) as manifest:
        assert manifest.cached_digest(clip) != first
        assert manifest.cached_digest(tmp_path / "absent.mp4") == "unreadable"


def test_the_second_of_two_batches_is_refused_and_told_of_the_first(tmp_path):
    wait = "from pipelines.batch.manifest import open_manifest as opened\n"
    wait += f"from pathlib import Path\nwith opened(Path({str(tmp_path)!r})):\n"
    wait += "    print('there', flush=True)\n    input()"
    first = subprocess.Popen([sys.executable, "-c", wait], stdin=-1, stdout=-1, cwd=ROOT, text=True)
    assert first.stdout.readline() == "there\n"
    with pytest.raises(UsageError, match=f"process {first.pid} on "), open_manifest(tmp_path):
        pass
    first.kill()
    first.wait()
    with open_manifest(tmp_path):  # the lock went with it
        assert json.loads((tmp_path / BATCH_STATE_FOLDER / "lock_owner.json").read_text())["pid"] != first.pid


def test_a_table_of_something_else_is_refused(tmp_path):
    (tmp_path / MANIFEST_FILE).write_text("notes" * 100)
    with pytest.raises(UsageError, match="not a batch manifest"), open_manifest(tmp_path):
        pass
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match="cannot be created"), open_manifest(file):
        pass


@pytest.mark.parametrize("spoil", [Path.mkdir, lambda lock: lock.write_bytes(bytes(range(256)) * 16)])
def test_a_lock_that_cannot_be_is_not_taken_for_another_batch(tmp_path, spoil):
    (tmp_path / BATCH_STATE_FOLDER).mkdir()
    spoil(tmp_path / BATCH_STATE_FOLDER / "lock.sqlite")
    with pytest.raises(UsageError, match="not a folder a batch can use"), open_manifest(tmp_path):
        pass
