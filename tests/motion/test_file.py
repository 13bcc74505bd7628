"""Motion files: what goes in comes out, numpy may edit them, and nothing odd is taken for a motion."""

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.motion.disk_rows import DiskArray
from motion_imitate.motion.file import ARRAY_LAYOUT, BadMotion, MotionHeader, load_motion, save_motion, stream_motion
from motion_imitate.types import Body, Camera, Motion
from tests.support import ROOT
from tests.support.box_body import NAMES, BoxBody
from tests.support.walk import walk

ABOUT = MotionHeader("boxes", NAMES, (1080, 1920), 29.97, "a walk", "made by hand")
DOCS = ROOT / "docs" / "motion-file.md"


def wild(frames: int = 50, joints: int = len(NAMES), moving: int = len(NAMES)) -> Motion:
    """Turns of every size up to half a turn, nothing constant."""
    noise = torch.Generator().manual_seed(5)
    vectors = torch.zeros(frames, joints, 3)
    vectors[:, :moving] = torch.randn(frames, moving, 3, generator=noise) * 1.5
    vectors[0, 0] = torch.tensor([torch.pi, 0, 0])
    camera = Camera(torch.rand(frames, 2) + 1, torch.rand(frames, 2), torch.randn(frames, 3))
    body = Body(rotation_vector_to_matrix(vectors.double()).float(), torch.randn(frames, 3))
    return Motion(body, camera, torch.rand(frames), torch.arange(frames).double() / 29.97 + 1000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "walk.npz"
    save_motion(path, walk(torch.arange(60).double() / 30)[0], ABOUT)
    return path


def change(path: Path, edit: Callable[[dict], object]) -> Path:
    arrays = dict(np.load(path, allow_pickle=False))
    edit(arrays)
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("motion", [wild(), wild(1), walk(torch.arange(20) / 30)[0]], ids=["wild", "one-frame", "walk"])
def test_what_is_saved_is_loaded(tmp_path, motion):
    save_motion(tmp_path / "m.npz", motion, ABOUT)
    back, about = load_motion(tmp_path / "m.npz", BoxBody())
    assert about == ABOUT
    assert_close(back.body.pose, motion.body.pose, atol=1e-6, rtol=0)
    assert torch.equal(back.body.shape, motion.body.shape)
    for field in ("focal", "centre", "place"):
        assert torch.equal(getattr(back.camera, field), getattr(motion.camera, field))
    assert torch.equal(back.confidence, motion.confidence)
    assert torch.equal(back.seconds, motion.seconds)
    assert back.seconds.dtype == motion.seconds.dtype


def test_shots_are_kept(tmp_path):
    motion = replace(wild(), shot=(torch.arange(len(wild())) // 3))
    save_motion(tmp_path / "m.npz", motion, ABOUT)
    assert torch.equal(load_motion(tmp_path / "m.npz")[0].shot, motion.shot)
    save_motion(tmp_path / "one.npz", wild(), ABOUT)
    assert "shot" not in np.load(tmp_path / "one.npz")


def test_thirty_moving_joints_take_under_600_bytes_a_frame(tmp_path):
    motion = wild(frames=400, joints=104, moving=30)
    one = motion.camera.map(lambda t: t[:1].expand(400, -1))
    motion = replace(motion, camera=replace(motion.camera, focal=one.focal, centre=one.centre))
    motion = replace(motion, body=replace(motion.body, shape=motion.body.shape[:1].expand(400, -1)))
    save_motion(tmp_path / "m.npz", motion, replace(ABOUT, joints=tuple(f"joint {i}" for i in range(104))))
    assert (tmp_path / "m.npz").stat().st_size < 600 * 400


def test_every_array_is_documented_and_no_other():
    rows = re.findall(r"^\| (`.+?) \|", DOCS.read_text(), re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(ARRAY_LAYOUT)


def test_a_walk_stores_only_what_moves(file):
    arrays = np.load(file, allow_pickle=False)
    assert {NAMES[i] for i in arrays["moving"]} == {n for n in NAMES if re.match("hip|knee|ankle|arm_left", n)}
    assert arrays["shape"].shape == (1, 3)


def test_keypoints_ride_along(tmp_path):
    seen, kept = torch.rand(50, 33, 3), DiskArray()
    for some in seen.split(20):
        kept.append(some)
    save_motion(tmp_path / "m.npz", wild(), ABOUT, kept)
    assert_close(torch.from_numpy(np.load(tmp_path / "m.npz")["keypoints"]), seen)
    load_motion(tmp_path / "m.npz")


def test_runs_are_stored_and_read_as_the_whole(tmp_path, monkeypatch):
    whole = wild()
    save_motion(tmp_path / "whole.npz", whole, ABOUT)
    save_motion(tmp_path / "runs.npz", (whole[k : k + 7] for k in range(0, len(whole), 7)), ABOUT)
    one, other = (np.load(tmp_path / f"{name}.npz") for name in ("whole", "runs"))
    assert all(np.array_equal(one[name], other[name]) for name in one.files)
    monkeypatch.setattr("motion_imitate.motion.file.CHUNK_ROWS", 16)
    runs, about, frames = stream_motion(tmp_path / "runs.npz")
    lengths = [len(run) for run in runs]
    assert (lengths, about, frames) == ([16, 16, 16, 2], ABOUT, 50)
    assert_close(load_motion(tmp_path / "runs.npz")[0].body.pose, whole.body.pose, atol=1e-6, rtol=0)


def examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)


def test_the_documented_edits_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    driver, _ = walk(torch.arange(120).double() / 30)
    save_motion(Path("walk.npz"), driver, ABOUT)
    exec(examples()[0], {})
    edited, about = load_motion(Path("edited.npz"))
    assert_close(edited.seconds, driver.seconds[30:90] * 2)
    assert about.rate == ABOUT.rate / 2
    assert_close(edited.body.pose, driver.body.pose[30:90], atol=1e-6, rtol=0)
    assert_close(edited.camera.place, driver.camera.place[30:90] + torch.tensor([0.0, 0, 2]))


def test_the_documented_mirror_mirrors_the_mesh(tmp_path):
    model, path = BoxBody(), tmp_path / "m.npz"
    motion = wild(10)
    save_motion(path, motion, ABOUT)
    change(path, lambda motion: exec(examples()[1], {"motion": motion, "np": np}))
    mirrored, _ = load_motion(path)
    was, now = model(motion.body)[1], model(mirrored.body)[1]
    twins = [NAMES.index(n.replace("left", "@").replace("right", "left").replace("@", "right")) for n in NAMES]
    assert_close(now[:, twins], was * torch.tensor([-1.0, 1.0, 1.0]), atol=1e-4, rtol=0)
    assert_close(mirrored.camera.place[:, 0], -motion.camera.place[:, 0])


def test_averaged_quaternions_are_made_whole(file):
    change(file, lambda a: a.update(rotations=a["rotations"] * np.float32(0.8)))
    turns = load_motion(file)[0].body.pose
    assert_close(turns @ turns.mT, torch.eye(3).expand_as(turns), atol=1e-5, rtol=0)


def nan(name: str) -> Callable[[dict], object]:
    return lambda a: a.update({name: np.full_like(a[name], np.nan)})


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda a: a.pop("rotations"), "no array 'rotations'"),
        (lambda a: a.update(rotations=a["rotations"][:, :-1]), "rotations has shape"),
        (lambda a: a.update(rotations=a["rotations"][:-1]), "rotations has shape"),
        (lambda a: a.update(place=a["place"][:-1]), "place has shape"),
        (lambda a: a.update(pose=a["pose"][None]), "pose is float32"),
        (lambda a: a.update(moving=a["moving"] + 100), "moving joints outside"),
        (lambda a: a.update(moving=a["moving"].astype(float)), "moving is float64"),
        (nan("rotations"), "rotations holds NaN"),
        (nan("place"), "place holds NaN"),
        (nan("seconds"), "seconds holds NaN"),
        (lambda a: a.update(seconds=a["seconds"][::-1]), "seconds that do not increase"),
        (lambda a: a.update(rotations=a["rotations"] * 0), "quaternions far from unit"),
        (lambda a: a.update(format=np.array(2)), "format 2"),
        (lambda a: a.update(rate=np.array(0.0)), "a rate"),
        (lambda a: a.update(rate=np.array(1e12)), "a rate"),
        (lambda a: a.update(shape=a["shape"].astype(float) + 1e300), "numbers beyond"),
        (lambda a: a.update(confidence=a["confidence"] + 3), "confidence outside"),
        (lambda a: a.update(model=np.array("other")), "is a motion of the body 'other'"),
        (lambda a: a.update(joints=np.char.add(a["joints"], "x")), "another version of the body"),
        (lambda a: a.update(title=np.array({"a": 1}, dtype=object)), "damaged or not an .npz of plain arrays"),
        (lambda a: a.update({k: a[k][:0] for k in ("seconds", "confidence", "place", "rotations")}), "no frames"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(file, edit, says):
    change(file, edit)
    with pytest.raises(BadMotion, match=re.escape(says)) as caught:
        load_motion(file, BoxBody())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(file))


def test_other_files_are_refused(tmp_path):
    for name, content in (("empty.npz", b""), ("text.npz", b"hello"), ("array.npz", b"\x93NUMPY\x01\x00" + b"x" * 99)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadMotion, match="damaged"):
            load_motion(tmp_path / name)
    for missing in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(BadMotion, match="no motion file"):
            load_motion(missing)


def test_cut_and_flipped_bytes_never_crash(file):
    whole, random = file.read_bytes(), np.random.default_rng(7)
    first, _ = load_motion(file)
    for trial in range(120):
        broken = bytearray(whole[: random.integers(len(whole))] if trial % 3 == 0 else whole)
        for at in random.integers(0, max(len(broken), 1), 3 if broken else 0):
            broken[at] ^= int(random.integers(1, 256))
        file.write_bytes(broken)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                back, _ = load_motion(file)
        except BadMotion:
            continue
        assert_close(back.body.pose, first.body.pose, atol=1e-6, rtol=0)  # only what is not data was hit


def test_what_cannot_be_is_not_saved_and_leaves_nothing(tmp_path, file):
    before = file.read_bytes()
    motion = wild()
    bad = replace(motion, camera=replace(motion.camera, place=motion.camera.place * torch.nan))
    for given, about in ((bad, ABOUT), (motion[:0], ABOUT), (motion, replace(ABOUT, joints=NAMES[1:]))):
        with pytest.raises(BadMotion):
            save_motion(file, given, about)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == [file.name]
