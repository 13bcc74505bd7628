"""`motion-imitate dress` and `imitate --clothes`, on the shipped photo."""

import json

import pytest
from PIL import Image

from motion_imitate.weights import find_asset
from pipelines.cli.commands import main
from pipelines.rendering.clothes_options import ClothesOptions

PHOTO = str(find_asset("demo/photo.jpg"))


def test_a_picture_in_other_clothes_is_written(tmp_path, capsys, unchecked_shapes):
    out = tmp_path / "dressed.png"
    words = ["--clothes", f"upper={PHOTO}", "--size", "160", "--background", "alpha", "--json", "--quiet"]
    assert main(["dress", PHOTO, "-o", str(out), *words]) == 0
    assert json.loads(capsys.readouterr().out)["clothes"] == {"upper": PHOTO}
    with Image.open(out) as picture:
        assert picture.mode == "RGBA"
        assert picture.getextrema()[3] == (0, 255)
        assert "synthetic" in picture.text["comment"].lower()


def test_parts_name_the_photos():
    assert set(ClothesOptions(("a.jpg",)).photos) == {"upper", "lower", "shoes"}
    assert set(ClothesOptions(("a.jpg",), ("lower", "shoes")).photos) == {"lower", "shoes"}
    assert [path.name for path in ClothesOptions(("shoes=a.jpg", "upper=b=c.jpg")).photos.values()] == [
        "a.jpg",
        "b=c.jpg",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dress", PHOTO, "-o", "out.png"], "give the photo of the clothes"),
        (["dress", PHOTO, "-o", "out.mp4", "--clothes", PHOTO], "must end in .png"),
        (["dress", PHOTO, "-o", "out.png", "--clothes", "none.jpg"], "no file none.jpg"),
        (["dress", PHOTO, "-o", "out.png", "--clothes", PHOTO, "--parts", "hat"], "upper"),
        (["dress", PHOTO, "-o", "out.png", "--clothes", PHOTO, PHOTO], "name the part"),
        (["dress", PHOTO, "-o", "out.png", "--clothes", f"upper={PHOTO}", f"upper={PHOTO}"], "upper is given twice"),
        (["dress", PHOTO, "-o", "out.png", "--clothes", f"upper={PHOTO}", "--parts", "upper"], "leave --parts out"),
        (["dress", PHOTO, "-o", "out.jpg", "--clothes", PHOTO, "--background", "alpha"], "must end in .png"),
        (["imitate", PHOTO, "a.mp4", "-o", "out.mp4", "--parts", "upper"], "add --clothes"),
        (["imitate", PHOTO, "a.mp4", "-o", "out.mp4", "--clothes", PHOTO, "--renderer", "pg2"], "worn by avatars"),
        (["imitate", PHOTO, "a.mp4", "-o", "out.mp4", "--clothes", PHOTO, "--segments", "5"], "leave --segments out"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert not list(tmp_path.iterdir())
