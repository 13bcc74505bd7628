"""`motion-imitate novel-view`, on the shipped photo."""

import json

import cv2
import pytest
from PIL import Image

from motion_imitate.types import cat_batched
from motion_imitate.video import read
from motion_imitate.weights import find_asset
from pipelines.cli.commands import main

PHOTO = str(find_asset("demo/photo.jpg"))


def test_the_person_turns_once_before_the_photos_background(tmp_path, capsys):
    out = tmp_path / "turn.mp4"
    words = ["--size", "160", "--seconds", "0.4", "--rate", "20", "--json", "--quiet"]
    assert main(["novel-view", PHOTO, "-o", str(out), *words]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 8
    frames = cat_batched(list(read(out))).data.float()
    assert len(frames) == 8
    moved = (frames[4] - frames[0]).abs().mean(0)
    assert moved.max() > 40  # the person shows the back
    assert moved[:, :4].mean() < 3  # the background stays


def test_pictures_go_into_a_folder_or_side_by_side_into_a_file(tmp_path, capsys):
    words = ["novel-view", PHOTO, "--size", "160", "--quiet", "--azimuth", "0", "-90", "22.5", "-o"]
    assert main([*words, str(tmp_path / "views")]) == 0
    assert sorted(path.name for path in (tmp_path / "views").iterdir()) == [
        "view_-90.png",
        "view_000.png",
        "view_22.5.png",
    ]
    front = cv2.imread(str(tmp_path / "views" / "view_000.png"))
    assert main([*words, str(tmp_path / "sheet.png"), "--background", "alpha"]) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * front.shape[1], front.shape[0])
        assert sheet.mode == "RGBA"
        assert "synthetic" in sheet.text["comment"].lower()
    assert main([*words, str(tmp_path / "sheet.jpg")]) == 0
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert b"digital_source_type" in sheet.info["comment"]
    assert main([*words, str(tmp_path / "views")]) == 2
    assert "use -y" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "words", "said"),
    [
        ("turn.mp4", ["--background", "driving"], "--background is photo, alpha"),
        ("turn.mp4", ["--elevation", "80"], "60"),
        ("turn.mp4", ["--renderer", "magic"], "Choose one of auto, avatar, corrections"),
        ("turn.mp4", ["--fov", "170"], "100"),
        ("turn.mp4", ["--pose", "z"], "photo"),
        ("turn.mp4", ["--azimuth", "0", "90"], "--azimuth makes pictures; give a folder"),
        ("sheet.png", [], "add --azimuth"),
        ("views", [], "add --azimuth"),
        ("sheet.jpg", ["--azimuth", "0", "--background", "alpha"], "must end in .png"),
        ("views", ["--azimuth", "400"], "400 is not an azimuth"),
        ("views", ["--azimuth", "nan"], "nan is not an azimuth"),
        ("views", ["--azimuth", "45", "0", "45"], "45 is given twice"),
        ("views", ["--azimuth", *map(str, range(80))], "80 azimuths are too many"),
        ("no/views", ["--azimuth", "0"], "create it"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(tmp_path, capsys, out, words, said):
    assert main(["novel-view", PHOTO, "-o", str(tmp_path / out), *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert not list(tmp_path.iterdir())
