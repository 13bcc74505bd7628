"""Whatever becomes of items and workers, each item ends once; on a fake clock, and once with real processes."""

import random
import sqlite3
import sys

import pytest

from pipelines.batch import local_workers, scheduler
from pipelines.batch.local_workers import local_worker_pool
from pipelines.batch.manifest import open_manifest
from pipelines.batch.progress import BatchProgress
from pipelines.batch.scheduler import MAX_ATTEMPTS, Scheduler
from tests.support.fake_workers import (
    BROKEN,
    FINE,
    KILLED,
    NO_VIDEO,
    NODE_LOST,
    FakeWorkerPool,
    batch_item,
    serve_without_work,
)


class Events(BatchProgress):
    """Counts what is told of each item."""

    def __init__(self):
        self.told = []

    def start_item(self, item):
        self.told.append(("start", item.id))

    def requeue_item(self, item):
        self.told.append(("requeue", item.id))

    def finish_item(self, item, row):
        self.told.append(("finish", item.id))


def run(folder, items, pool, patience=10.0, **how):
    """The ids in the order in which they end, and the manifest's rows."""
    with open_manifest(folder) as manifest:
        manifest.plan_items(items, False, False)
        left = [item for item, row in zip(items, manifest.rows(items), strict=True) if row["state"] == "queued"]
        ended = [item.id for item in Scheduler(manifest, pool, patience, clock=pool.clock, **how).run(left)]
        return ended, {row["id"]: dict(row) for row in manifest.rows(items)}


def items_of(folder, *names):
    return [batch_item(folder, name) for name in names]


def test_items_go_to_idle_workers_and_end_when_they_are_done(tmp_path):
    pool = FakeWorkerPool(2, {"a": [(5, FINE)]})
    ended, rows = run(tmp_path, items_of(tmp_path, "a", "b", "c"), pool)
    assert ended == ["b", "c", "a"]
    assert pool.started == [(0, "a"), (0, "b"), (pytest.approx(1), "c")]
    assert {row["attempts"] for row in rows.values()} == {1}
    assert {row["node"] for row in rows.values()} == {"here"}


def test_what_is_not_its_own_fault_is_tried_again_after_all_others(tmp_path):
    pool = FakeWorkerPool(1, {"a": [(1, KILLED), (1, BROKEN)], "b": [(1, NO_VIDEO)]})
    ended, rows = run(tmp_path, items_of(tmp_path, "a", "b", "c"), pool)
    assert [id for _, id in pool.started] == ["a", "b", "c", "a", "a"]
    assert ended == ["b", "c", "a"]
    assert {id: (row["state"], row["attempts"]) for id, row in rows.items()} == {
        "a": ("done", 3),
        "b": ("failed", 1),
        "c": ("done", 1),
    }
    assert (rows["b"]["kind"], rows["b"]["reason"]) == ("input", "it is no video")
    assert rows["a"]["reason"] is None


@pytest.mark.parametrize("result", [KILLED, BROKEN])
def test_it_is_given_up_after_some_attempts(tmp_path, result):
    pool = FakeWorkerPool(1, {"a": [(1, result)] * 9})
    ended, rows = run(tmp_path, items_of(tmp_path, "a", "b"), pool)
    assert ended == ["b", "a"]
    assert (rows["a"]["state"], rows["a"]["kind"], rows["a"]["attempts"]) == ("failed", "system", MAX_ATTEMPTS)
    assert result.reason in rows["a"]["reason"]
    assert len(rows["a"]["reason"].splitlines()) == 1


def test_a_lost_machine_does_not_count_as_an_attempt_however_often(tmp_path):
    pool = FakeWorkerPool(2, {"a": [(1, NODE_LOST)] * 20, "b": [(1, KILLED), (1, NODE_LOST), (1, KILLED)]})
    ended, rows = run(tmp_path, items_of(tmp_path, "a", "b", "c"), pool)
    assert sorted(ended) == ["a", "b", "c"]
    assert {id: (row["state"], row["attempts"]) for id, row in rows.items()} == {
        "a": ("done", 1),
        "b": ("done", MAX_ATTEMPTS),
        "c": ("done", 1),
    }


def test_what_hangs_is_ended_when_its_time_is_over_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "item_frame_count", lambda item: {"hang": 40, "once": None}.get(item.clip.name, 1))
    pool = FakeWorkerPool(2, {"hang": [(0, None)] * 9, "once": [(0, None)], "slow": [(10.5, FINE)]})
    ended, rows = run(tmp_path, items_of(tmp_path, "hang", "once", "slow"), pool, frame_patience=0.5)
    assert sorted(ended) == ["hang", "once", "slow"]
    assert [id for _, id in pool.killed] == ["once", "hang", "hang", "hang"]
    starts = {id: [at for at, started in pool.started if started == id] for id in ("hang", "once")}
    ends = {id: [at for at, killed in pool.killed if killed == id] for id in ("hang", "once")}
    for id, seconds in (("hang", 10 + 40 * 0.5), ("once", 10)):
        for start, end in zip(starts[id], ends[id], strict=False):
            assert seconds < end - start <= seconds + 2 * scheduler.SCHEDULER_POLL_SECONDS
    assert (rows["hang"]["state"], rows["hang"]["attempts"]) == ("failed", MAX_ATTEMPTS)
    assert "not done after 10 s plus 0.5 s per frame" in rows["hang"]["reason"]
    assert (rows["once"]["state"], rows["once"]["attempts"]) == ("done", 2)
    assert (rows["slow"]["state"], rows["slow"]["attempts"]) == ("done", 1)


def test_a_result_that_comes_as_its_time_ends_counts(tmp_path):
    pool = FakeWorkerPool(1, {"a": [(10.3, FINE)]})
    pool.wait = lambda seconds, wait=pool.wait: wait(10.4)  # the deadline passes inside
    ended, rows = run(tmp_path, items_of(tmp_path, "a"), pool)
    assert (ended, rows["a"]["state"], pool.killed) == (["a"], "done", [])


def test_a_motion_is_computed_by_one_item_at_a_time_and_used_by_all(tmp_path):
    motion = tmp_path / "motion.npz"
    items = [batch_item(tmp_path, name, motion) for name in "abc"] + [batch_item(tmp_path, "d")]
    pool = FakeWorkerPool(4)
    pool.wait = lambda seconds, wait=pool.wait: [(motion.touch(), one)[1] for one in wait(seconds)]
    run(tmp_path, items, pool)
    assert pool.started[:2] == [(0, "a"), (0, "d")]
    assert {id for at, id in pool.started if at > 0} == {"b", "c"}


@pytest.mark.parametrize("seed", range(20))
def test_losses_at_random_leave_no_trace_in_the_results(tmp_path, seed):
    """Each item is done, told of, and counted once, whichever workers are lost and whoever runs the batch is killed."""
    chance = random.Random(seed)
    names = [f"{k:02}" for k in range(30)]
    items, told, done = items_of(tmp_path, *names), Events(), {}
    losses = {
        name: [(chance.uniform(0, 5), result) for result in [*chance.choices([KILLED, NODE_LOST], k=2), NODE_LOST]]
        for name in chance.sample(names, 20)
    }
    for most in (chance.randrange(5, 40), chance.randrange(5, 40), 10**6):
        pool = FakeWorkerPool(chance.randrange(1, 5), losses, most)
        try:
            run(tmp_path, items, pool, board=told)
        except KeyboardInterrupt:
            done = {path: path.stat().st_mtime_ns for item in items if (path := item.out).exists()}
        assert {path: path.stat().st_mtime_ns for path in done} == done  # what was done is not done again
    assert {item.out.read_text() for item in items} == {f"video {name}" for name in names}
    with sqlite3.connect(tmp_path / "manifest.sqlite") as table:
        rows = table.execute("select id, state, attempts from items order by id").fetchall()
    assert [(id, state) for id, state, _ in rows] == [(name, "done") for name in names]
    assert all(1 <= attempts <= MAX_ATTEMPTS for _, _, attempts in rows)
    assert sorted(id for event, id in told.told if event == "finish") == names


def test_processes_that_die_or_hang_never_stop_the_others(tmp_path, monkeypatch):
    """With real processes: one kills itself, one hangs and is killed; what they left half done is removed."""
    monkeypatch.setattr(local_workers, "serve_batch_items", serve_without_work)
    monkeypatch.setattr(scheduler, "MAX_ATTEMPTS", 1)
    items = items_of(tmp_path, "a", "poison", "hang", "b")

    def clock():  # it is late as soon as somebody hangs
        return 100.0 * len(list(tmp_path.glob("hanging-*")))

    with open_manifest(tmp_path) as manifest, local_worker_pool(1, 4) as pool:
        manifest.plan_items(items, False, False)
        ended = [item.id for item in Scheduler(manifest, pool, 8, clock=clock).run(items)]
        rows = {row["id"]: dict(row) for row in manifest.rows(items)}
    assert ended == ["a", "poison", "hang", "b"]
    assert [rows[id]["state"] for id in ended] == ["done", "failed", "failed", "done"]
    for id, words in (("poison", "was killed (SIGKILL)"), ("hang", "not done after 8 s plus 1 s per frame")):
        assert (rows[id]["kind"], rows[id]["attempts"]) == ("system", 1)
        assert words in rows[id]["reason"]
        assert len(rows[id]["reason"].splitlines()) == 1
    assert not list(tmp_path.glob(".*.part"))


def test_a_worker_whose_parent_is_gone_exits(monkeypatch):
    """Another run may start on the same item."""
    monkeypatch.setattr(local_workers.os, "_exit", sys.exit)
    with pytest.raises(SystemExit, match="1"):
        local_workers.exit_with_parent(1 << 30)
