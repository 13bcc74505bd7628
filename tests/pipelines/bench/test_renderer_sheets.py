"""Sheets of renderers: a row for each photo, with what `auto` chose, and grey where nothing can be drawn."""

import cv2
import pytest
import torch

from motion_imitate.motion.file import MotionHeader, save_motion
from motion_imitate.types import Motion
from pipelines.bench import renderer_sheets
from pipelines.bench.renderer_sheets import DRAWN_POSES, PhotoPerson, draw_renderer_sheets, drawable_renderers
from tests.support import painted


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three photos, in one of which nobody is seen, and a motion."""
    for name in ("a.png", "b.png", "nobody.png"):
        (tmp_path / name).write_bytes(b"")
    body, camera = painted.standing()
    body, camera = (x.map(lambda t: t.expand(8, *t.shape[1:]).clone()) for x in (body, camera))
    motion = Motion(body, camera, torch.ones(8), torch.arange(8) / 25)
    save_motion(tmp_path / "still.npz", motion, MotionHeader("anny", painted.MODEL.joint_names, painted.SIZE, 25.0))
    person = PhotoPerson(painted.source(painted.standing()), painted.MODEL)

    def read(path):
        if path.stem == "nobody":
            raise ValueError("nobody is seen")
        return person

    monkeypatch.setattr(renderer_sheets, "read_photo_person", read)
    return tmp_path


def test_each_photo_is_a_row_with_what_drew_it(folder, monkeypatch):
    def make(source, model, name):
        if name == "avatar":
            raise ValueError("too little is seen")
        return make_person(source, model, name)

    make_person = renderer_sheets.make_person
    monkeypatch.setattr(renderer_sheets, "make_person", make)
    monkeypatch.setattr(renderer_sheets, "drawable_renderers", lambda: ("avatar", "pg2"))
    lines = list(draw_renderer_sheets(folder))
    person = ["  avatar: none, too little is seen", "  pg2: pg2"]
    assert lines[0].startswith("a.png: overlap ")
    assert lines[1:3] == lines[4:6] == person
    assert lines[6:] == ["nobody.png: refused, nobody is seen"]
    empty, drawn = (cv2.imread(str(folder / "sheets" / f"{name}.png")) for name in ("avatar", "pg2"))
    assert empty.shape == drawn.shape
    tile = empty.shape[1] // (1 + DRAWN_POSES)
    assert (empty[100:400, tile + 20 : 2 * tile - 20] == 128).all()
    assert drawn[100:400, tile + 20 : 2 * tile - 20].std() > 5
    assert abs(empty.shape[0] - 2 * 486) <= 2


def test_renderers_with_weights_are_drawn():
    names = drawable_renderers()
    assert names[:2] == ("auto", "avatar")
    assert {"pg2", "drn", "dense-pose"} < set(names)
    assert "liquid-warping" not in names


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs photos"):
        list(draw_renderer_sheets(tmp_path))
    with pytest.raises(ValueError, match="--data"):
        list(draw_renderer_sheets(None))
