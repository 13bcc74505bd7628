"""`motion-imitate imitate`, on a photo of a real person and a stored motion: files, codes, sentences."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from media import film
from standing import store

from motion_imitate.portrait import fitted_into
from motion_imitate.video import probe, read
from pipelines.cli import main
from pipelines.imitate import backdrop, covering
from pipelines.output import Refused

PERSON = Path(__file__).parent / "data" / "one_person.jpg"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return store(tmp_path_factory.mktemp("made") / "standing.npz", 9)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PERSON, tmp_path / "photo.jpg")
    return tmp_path


def refused(capsys, code, *words):
    assert main(["imitate", *map(str, words)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "Traceback" not in said.err
    return said.err


def test_a_photo_and_a_motion_become_a_video(capsys, folder, stored):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "-o", "out.mp4", "--size", "320", "--json", "--quiet"]
    assert main([*words, "--background", "#00FF00"]) == 0
    told = json.loads(capsys.readouterr().out)
    info = probe(Path("out.mp4"))
    assert told["frames"] == info.frames == 9
    assert max(info.width, info.height) == 320
    first = next(iter(read(Path("out.mp4")))).data[0].float()
    green = (first - torch.tensor([0.0, 255, 0])[:, None, None]).abs().amax(0) < 40
    assert 0.5 < green.float().mean() < 0.97  # a person, before green
    assert sorted(os.listdir(folder)) == ["out.mp4", "photo.jpg"]


def test_side_by_side_shows_the_photo_too(folder, stored):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "-o", "out.mp4", "--size", "240", "--quiet"]
    assert main([*words, "--side-by-side"]) == 0
    alone = fitted_into(torch.from_numpy(cv2.imread("photo.jpg")).permute(2, 0, 1).float(), (240, 240))
    info = probe(Path("out.mp4"))
    assert info.height <= alone.shape[1]
    left = next(iter(read(Path("out.mp4")))).data[0, :, :, : info.width // 2]
    photo = cv2.resize(cv2.imread("photo.jpg")[..., ::-1], (info.width // 2, info.height), interpolation=cv2.INTER_AREA)
    assert np.abs(left.permute(1, 2, 0).numpy().astype(int) - photo).mean() < 6


def test_what_cannot_be_is_refused_in_a_sentence(capsys, folder, stored):
    film(folder / "clip.mp4", count=3)
    cv2.imwrite("nobody.png", np.full((200, 150, 3), 120, np.uint8))
    out = ["-o", "out.mp4"]
    assert "give a photo and a video" in refused(capsys, 2, "photo.jpg", *out)
    assert "nobody is seen in nobody.png" in refused(capsys, 3, "nobody.png", "--motion", stored, *out)
    assert "nobody is seen in clip.mp4" in refused(capsys, 3, "photo.jpg", "clip.mp4", *out, "--quiet")
    assert "#RRGGBB" in refused(capsys, 2, "photo.jpg", "--motion", stored, *out, "--background", "#12")
    assert "name it so" in refused(capsys, 2, "photo.jpg", "--motion", stored, "-o", "out.avi")
    assert "also the input" in refused(capsys, 2, "photo.jpg", "clip.mp4", "-o", "clip.mp4", "-y")
    assert "absent.png" in refused(capsys, 3, "photo.jpg", "--motion", stored, *out, "--background", "absent.png")
    assert sorted(os.listdir(folder)) == ["clip.mp4", "nobody.png", "photo.jpg"]


def test_a_picture_covers_any_size_without_being_stretched():
    wide = torch.linspace(0, 1, 400).expand(3, 100, -1)
    tall = covering(wide, (200, 50))
    assert tall.shape == (3, 200, 50)
    assert tall[0, 0].mean() == pytest.approx(0.5, abs=0.01)  # its middle
    assert tall[0, 0, -1] - tall[0, 0, 0] == pytest.approx(50 / 800, abs=0.01)


def test_photos_of_other_shapes_are_brought_to_the_firsts_whole():
    photo = torch.rand(3, 100, 50, generator=torch.Generator().manual_seed(0))
    inside = fitted_into(photo, (100, 100))
    assert torch.equal(inside[:, :, 25:75], photo)
    assert torch.equal(inside[:, :, :25], photo[:, :, :1].expand(-1, -1, 25))


def test_a_colour_is_six_digits(folder):
    import painted

    source = painted.source(painted.standing())
    ground = backdrop("#102030", source, (4, 6))
    assert ground.shape == (3, 4, 6)
    assert ground[:, 0, 0].tolist() == [0x10, 0x20, 0x30]
    for wrong in ("#12345", "#gggggg", "#"):
        with pytest.raises(Refused, match="RRGGBB"):
            backdrop(wrong, source, (4, 6))
