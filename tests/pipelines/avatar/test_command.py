"""`motion-imitate avatar`, on the shipped photo."""

import json

import pytest

from motion_imitate.weights import find_asset
from pipelines.cli.commands import main
from tests.support.demo_person import DEMO_SIZE, demo_person
from tests.support.glb import parsed, values
from tests.support.standing import store


@pytest.fixture
def photo():
    """The shipped photo, whose person is there already at that size."""
    demo_person()
    return str(find_asset("demo/photo.jpg"))


@pytest.mark.slow
def test_a_motion_becomes_an_animation(tmp_path, capsys, photo):
    out = tmp_path / "anna.glb"
    words = ["--motion", str(store(tmp_path / "stand.npz", 6)), "--size", str(DEMO_SIZE), "--json", "--quiet"]
    assert main(["avatar", photo, "-o", str(out), *words]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["frames"], record["bytes"]) == (6, out.stat().st_size)
    document, buffer = parsed(out.read_bytes())
    animation = document["animations"][0]
    assert values(document, buffer, animation["samplers"][0]["input"])[:, 0] == pytest.approx(
        [k / 30 for k in range(6)]
    )
    assert "another video" in document["asset"]["extras"]["comment"]


def test_of_several_photos_the_first_is_exported_and_it_is_said(tmp_path, capsys, photo):
    out = tmp_path / "anna.glb"
    assert main(["avatar", photo, "other.jpg", "-o", str(out), "--size", str(DEMO_SIZE)]) == 0
    assert f"only the first photo, {photo}, is exported" in capsys.readouterr().err
    document, _ = parsed(out.read_bytes())
    assert "animations" not in document
    assert document["asset"]["extras"]["comment"] == "synthetic: made from a photo"


def test_bad_requests_are_refused_in_one_sentence(tmp_path, capsys):
    photo, clip = str(find_asset("demo/photo.jpg")), str(find_asset("demo/clip.mp4"))
    there = tmp_path / "there.glb"
    there.write_bytes(b"mine")
    motion = str(store(tmp_path / "stand.npz", 2))
    for out, words, code, said in (
        ("anna.gltf", [], 2, "must end in .glb"),
        ("there.glb", [], 2, "-y"),
        ("none/anna.glb", [], 2, "no folder"),
        ("anna.glb", ["--size", "9"], 2, "64"),
        ("anna.glb", ["--photo-person", "0"], 2, "counted from 1"),
        ("anna.glb", ["--motion", clip], 3, "clip.mp4"),
        ("anna.glb", ["--motion", "none.npz"], 3, "none.npz"),
        ("anna.glb", ["--motion", motion, "--motion", motion], 2, "--motion"),
        ("anna.glb", ["--photo-person", "7", "--size", "320"], 3, "person 7"),
    ):
        assert main(["avatar", photo, "-o", str(tmp_path / out), *words]) == code, words
        lines = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
        assert len(lines) == 1, lines
        assert said in lines[0]
    assert there.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"there.glb", "stand.npz"}
