"""`--segments`: a video that was drawn in stretches is the one that was drawn whole."""

from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import Encoding, join, probe, read, write
from pipelines.batch import segments
from pipelines.batch.segments import imitate_in_segments
from pipelines.cli.commands import main
from pipelines.imitate.driver import ImitateJob
from pipelines.imitate.options import ImitateOptions
from pipelines.imitate.render_video import render_video
from pipelines.motion.options import EstimationOptions
from pipelines.rendering import write_video
from pipelines.reporter import Reporter
from tests.support.batches import PHOTO
from tests.support.fake_workers import InProcessPool
from tests.support.media import film
from tests.support.standing import store

QUIET = Reporter(quiet=True)
EXACT = Encoding(crf=0, preset="ultrafast", keyframes=1 / 3)


@pytest.fixture
def job(tmp_path, monkeypatch, unchecked_shapes):
    monkeypatch.setattr(write_video, "RENDER_ENCODING", EXACT)
    monkeypatch.setattr(segments, "RENDER_ENCODING", EXACT)
    motion = store(tmp_path / "standing.npz", 45)

    def of(name, **how):
        return ImitateJob(
            (PHOTO,),
            None,
            tmp_path / name,
            ImitateOptions(motion=motion, segments=1, **how),
            EstimationOptions(size=160),
        )

    return of


def by(monkeypatch, pool):
    @contextmanager
    def hands_of(*_):
        yield pool

    monkeypatch.setattr(segments, "open_worker_pool", hands_of)


def pictures(path):
    return cat_batched(list(read(path)))


def test_stretches_are_the_whole_to_the_last_pixel(job, monkeypatch, tmp_path):
    film(tmp_path / "wall.mp4", count=40)
    sure = {}
    for wish in ("photo", str(tmp_path / "wall.mp4")):
        by(monkeypatch, InProcessPool())
        one, many = job("whole.mp4", background=wish), job("joined.mp4", background=wish)
        sure = [
            torch.cat(make(which, QUIET).confidence)
            for make, which in ((render_video, one), (imitate_in_segments, many))
        ]
        whole, joined = pictures(one.out), pictures(many.out)
        assert torch.equal(whole.data, joined.data)
        assert torch.equal(whole.seconds, joined.seconds)
        assert torch.equal(*sure)
        assert probe(many.out).duration == pytest.approx(probe(one.out).duration, abs=1e-3)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".mp4", ".mp4", ".mp4", ".npz"]


def test_what_is_done_is_kept_when_it_is_interrupted(job, monkeypatch):
    one = job("out.mp4")
    folder = one.out.with_name(".out.mp4.segments")
    by(monkeypatch, InProcessPool(most=1))
    with pytest.raises(KeyboardInterrupt):
        imitate_in_segments(one, QUIET)
    assert not one.out.exists()
    first = folder / "00000.mp4"
    stamp = first.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(segments, "open_person_motion", lambda *_: pytest.fail("the motion was looked at again"))
        patch.setattr(segments.shutil, "rmtree", lambda _: None)
        by(patch, again := InProcessPool())
        imitate_in_segments(one, QUIET)
    assert first.stat().st_mtime_ns == stamp
    assert again.left == 999  # one more stretch
    assert len(pictures(one.out)) == 45


@pytest.mark.slow
def test_processes_of_their_own_draw_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store(tmp_path / "standing.npz", 80)
    words = ["imitate", str(PHOTO), "--motion", "standing.npz", "--size", "160", "--quiet"]
    assert main([*words, "-o", "joined.mp4", "--segments", "1", "--background", "#204060"]) == 0
    assert main([*words, "-o", "whole.mp4", "--background", "#204060"]) == 0
    whole, joined = pictures(Path("whole.mp4")), pictures(Path("joined.mp4"))
    assert torch.equal(whole.seconds, joined.seconds)
    apart = (whole.data.float() - joined.data.float()).square().mean((1, 2, 3))
    assert float(apart.max()) < 6  # coded apart, in stretches of 60 and 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["joined.mp4", "standing.npz", "whole.mp4"]


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "out.mp4", "--preview"],
        ["-o", "out.mp4", "--side-by-side"],
        ["-o", "out.webm", "--background", "alpha"],
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    store(tmp_path / "standing.npz", 5)
    assert main(["imitate", str(PHOTO), "--motion", "standing.npz", "--segments", "2", *words]) == 2
    assert "--segments" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["standing.npz"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_parts_are_joined_as_they_are_with_the_sound_of_the_whole(tmp_path, suffix):
    clip = film(tmp_path / "clip.mp4", count=70, sound="aac")
    whole = pictures(clip)
    cuts, parts = (0, 25, 50, 70), []
    for first, last in pairwise(cuts):
        part = tmp_path / f"{first}{suffix}"
        write(part, iter([whole[first:last]]), 30, how=EXACT)
        parts.append((float(whole.seconds[first]), part))
    out = tmp_path / f"joined{suffix}"
    assert join(out, parts, clip, {"comment": "joined"}) == 70
    joined = pictures(out)
    alone = cat_batched([pictures(part) for _, part in parts])
    assert torch.equal(joined.data, alone.data)
    assert float((joined.seconds - whole.seconds).abs().max()) < 1e-3
    assert probe(out).sound is not None
    write(tmp_path / f"plain{suffix}", iter([whole]), 30, clip, how=EXACT)
    assert probe(out).duration == pytest.approx(probe(tmp_path / f"plain{suffix}").duration, abs=0.05)


def test_runs_are_cut_into_stretches():
    runs = [Frames(torch.zeros(n, 3, 2, 2, dtype=torch.uint8), torch.arange(float(n))) for n in (3, 9, 1, 4)]
    assert [len(part) for part in segments.regroup_motion(runs, 5)] == [5, 5, 5, 2]
