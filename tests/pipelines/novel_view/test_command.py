"""`motion-imitate novel-view`, on the shipped photo."""

import json

from motion_imitate.types import cat_batched
from motion_imitate.video import read
from motion_imitate.weights import find_asset
from pipelines.cli.commands import main


def test_the_person_turns_once_before_the_photos_background(tmp_path, capsys):
    out = tmp_path / "turn.mp4"
    words = ["--size", "160", "--seconds", "0.4", "--rate", "20", "--json", "--quiet"]
    assert main(["novel-view", str(find_asset("demo/photo.jpg")), "-o", str(out), *words]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 8
    frames = cat_batched(list(read(out))).data.float()
    assert len(frames) == 8
    moved = (frames[4] - frames[0]).abs().mean(0)
    assert moved.max() > 40  # the person shows the back
    assert moved[:, :4].mean() < 3  # the background stays


def test_bad_options_are_refused_in_one_sentence(tmp_path, capsys):
    photo = str(find_asset("demo/photo.jpg"))
    for words, code, said in (
        (["--background", "driving"], 2, "--background is photo, alpha"),
        (["--elevation", "80"], 2, "60"),
        (["--renderer", "magic"], 2, "Choose one of auto, avatar, corrections"),
    ):
        assert main(["novel-view", photo, "-o", str(tmp_path / "turn.mp4"), *words]) == code
        assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
