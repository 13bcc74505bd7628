"""`motion-imitate imitate`, on a photo of a real person and a stored motion: files, codes, sentences."""

import json
import os
import re
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.photos.people import find_people, fit_image_into
from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import Encoding, nvenc_works, probe, read, write
from motion_imitate.weights import find_asset, write_weights
from pipelines.cli.commands import main
from pipelines.motion.advice import sharpness_advice
from pipelines.output_path import UsageError
from pipelines.rendering.backdrop import parse_hex_colour, resize_to_cover
from tests.support import ROOT
from tests.support.media import film
from tests.support.standing import store

PERSON = ROOT / "tests" / "data" / "one_person.jpg"
SIZE = "160"  # as in other tests of this photo, so that it is prepared once


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return store(tmp_path_factory.mktemp("made") / "standing.npz", 9)


@pytest.fixture
def folder(tmp_path, monkeypatch, unchecked_shapes):
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
    words = ["imitate", "photo.jpg", "--motion", str(stored), "-o", "out.mp4", "--size", SIZE, "--json", "--quiet"]
    assert main([*words, "--background", "#00FF00"]) == 0
    told = json.loads(capsys.readouterr().out)
    info = probe(Path("out.mp4"))
    assert told["frames"] == info.frames == 9
    assert (told["renderer"], told["renderer_reason"], told["face"]) == ("avatar", "", "off")
    assert max(info.width, info.height) == int(SIZE)
    first = next(iter(read(Path("out.mp4")))).data[0].float()
    green = (first - torch.tensor([0.0, 255, 0])[:, None, None]).abs().amax(0) < 40
    assert 0.5 < green.float().mean() < 0.97  # a person, before green
    assert sorted(os.listdir(folder)) == ["out.mp4", "photo.jpg"]


def test_side_by_side_shows_the_photo_too(folder, stored):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "-o", "out.mp4", "--size", SIZE, "--quiet"]
    assert main([*words, "--side-by-side", "--renderer", "pg2"]) == 0
    alone = fit_image_into(torch.from_numpy(cv2.imread("photo.jpg")).permute(2, 0, 1).float(), (int(SIZE), int(SIZE)))
    info = probe(Path("out.mp4"))
    assert info.height <= alone.shape[1]
    left = next(iter(read(Path("out.mp4")))).data[0, :, :, : info.width // 2]
    photo = cv2.resize(cv2.imread("photo.jpg")[..., ::-1], (info.width // 2, info.height), interpolation=cv2.INTER_AREA)
    assert np.abs(left.permute(1, 2, 0).numpy().astype(int) - photo).mean() < 6


def test_a_freeze_adds_frames_in_which_only_the_person_turns(capsys, folder, stored):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "-o", "out.mp4", "--size", SIZE, "--quiet", "--json"]
    assert main([*words, "--freeze", "0.1", "--sweep", "180", "--sweep-seconds", "0.2", "--view", "20"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 9 + 6
    frames = cat_batched(list(read(Path("out.mp4")))).data.float()
    assert (frames[9] - frames[3]).abs().mean(0).max() > 40
    assert (frames[9] - frames[3])[:, :8, :8].abs().mean() < 3


def test_a_blurred_photo_is_told_from_a_sharp_one():
    image = torch.from_numpy(cv2.imread(str(PERSON))[..., ::-1].copy()).permute(2, 0, 1).float() / 255
    person = find_people(image, "photo.jpg")[0]
    assert sharpness_advice(image, person) == []
    soft = torch.from_numpy(cv2.GaussianBlur(image.permute(1, 2, 0).numpy(), (0, 0), 2.5)).permute(2, 0, 1)
    assert "sharper photo" in sharpness_advice(soft, person)[0]


def test_what_cannot_be_is_refused_in_a_sentence(capsys, folder, stored):
    film(folder / "clip.mp4", count=3)
    cv2.imwrite("nobody.png", np.full((200, 150, 3), 120, np.uint8))
    out = ["-o", "out.mp4", "--size", SIZE]
    assert "give a photo and a video" in refused(capsys, 2, "photo.jpg", *out)
    assert "nobody is seen in nobody.png" in refused(capsys, 3, "nobody.png", "--motion", stored, *out)
    assert "nobody is seen in clip.mp4" in refused(capsys, 3, "photo.jpg", "clip.mp4", *out, "--quiet")
    assert "#RRGGBB" in refused(capsys, 2, "photo.jpg", "--motion", stored, *out, "--background", "#12")
    assert "must end in" in refused(capsys, 2, "photo.jpg", "--motion", stored, "-o", "out.avi")
    assert "fit" in refused(capsys, 2, "photo.jpg", "--motion", stored, *out, "--frame", "wide")
    assert "also the input" in refused(capsys, 2, "photo.jpg", "clip.mp4", "-o", "clip.mp4", "-y")
    still = ["photo.jpg", "--motion", stored, *out]
    assert "add --freeze SECOND" in refused(capsys, 2, *still, "--sweep", "90")
    assert "add --freeze SECOND" in refused(capsys, 2, *still, "--sweep-seconds", "1")
    assert "lasts 0.30 s; give an earlier second" in refused(capsys, 2, *still, "--freeze", "3")
    assert "0" in refused(capsys, 2, *still, "--freeze", "-1")
    assert "--segments cannot be used with --freeze" in refused(capsys, 2, *still, "--freeze", "0.1", "--segments", "5")
    assert "absent.png" in refused(capsys, 2, "photo.jpg", "--motion", stored, *out, "--background", "absent.png")
    assert sorted(os.listdir(folder)) == ["clip.mp4", "nobody.png", "photo.jpg"]


def test_a_picture_covers_any_size_without_being_stretched():
    wide = torch.linspace(0, 1, 400).expand(3, 100, -1)
    tall = resize_to_cover(wide, (200, 50))
    assert tall.shape == (3, 200, 50)
    assert tall[0, 0].mean() == pytest.approx(0.5, abs=0.01)  # its middle
    assert tall[0, 0, -1] - tall[0, 0, 0] == pytest.approx(50 / 800, abs=0.01)


def test_photos_of_other_shapes_are_brought_to_the_firsts_whole():
    photo = torch.rand(3, 100, 50, generator=torch.Generator().manual_seed(0))
    inside = fit_image_into(photo, (100, 100))
    assert torch.equal(inside[:, :, 25:75], photo)
    assert torch.equal(inside[:, :, :25], photo[:, :, :1].expand(-1, -1, 25))


def test_a_colour_is_six_digits():
    assert (parse_hex_colour("#102030") * 255).round().tolist() == [0x10, 0x20, 0x30]
    for wrong in ("#12345", "#gggggg", "#"):
        with pytest.raises(UsageError, match="RRGGBB"):
            parse_hex_colour(wrong)


@pytest.fixture(scope="module")
def walking(tmp_path_factory):
    """A clip in which the person of the photo slides to the right before a wall with stripes."""
    photo = cv2.imread(str(PERSON))[..., ::-1]
    scale = 190 / photo.shape[0]
    person = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    wall = np.tile(np.linspace(60, 200, 250)[None, :, None], (200, 1, 3)).astype(np.uint8)
    wall[:, ::25] = (200, 60, 60)
    path = tmp_path_factory.mktemp("clips") / "walking.mp4"
    frames = np.stack([wall] * 8)
    for t, frame in enumerate(frames):
        left = 12 + 6 * t
        frame[6 : 6 + len(person), left : left + person.shape[1]] = person
    write(path, iter([Frames(torch.from_numpy(frames).permute(0, 3, 1, 2), torch.arange(8) / 30)]), 30)
    return path


@pytest.fixture
def small_photo(folder):
    """The photo is a third as large, for those who do not say how large the person is to be."""
    photo = cv2.imread("photo.jpg")
    cv2.imwrite("photo.jpg", cv2.resize(photo, (180, 320), interpolation=cv2.INTER_AREA))


def test_the_person_takes_the_drivers_place(folder, small_photo, walking):
    words = ["imitate", "photo.jpg", str(walking), "-o", "out.mp4", "--background", "driving", "--quiet"]
    assert main(words) == 0
    info, given = probe(Path("out.mp4")), probe(walking)
    assert (info.width, info.height, info.frames) == (given.width, given.height, given.frames)
    made, truth = (next(iter(read(path))).data.float() for path in (Path("out.mp4"), walking))
    off = (made - truth).abs().mean(1)
    assert off[:, :, 200:].mean() < 6  # where nobody is, it is the clip
    assert off.mean() < 25


def test_what_is_transparent_says_so(capsys, folder, stored):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "--size", SIZE, "--background", "alpha", "--quiet"]
    assert main([*words, "-o", "out.webm"]) == 0
    capsys.readouterr()
    with av.open("out.webm") as file:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        packets = (packet for packet in file.demux(video=0) if packet.size)
        frame = next(frame for packet in packets for frame in decoder.decode(packet))
    alpha = frame.to_ndarray(format="rgba")[..., 3]
    assert 0.03 < (alpha > 250).mean() < 0.6
    assert (alpha < 5).mean() > 0.3
    said = refused(capsys, 2, *words[1:-1], "-o", "out.mp4")
    assert ".mov" in said
    assert ".webm" in said
    assert "--side-by-side" in refused(capsys, 2, *words[1:-1], "-o", "out.mov", "--side-by-side")


@pytest.mark.slow
def test_ray_draws_the_same(folder, stored):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "--size", SIZE, "--quiet"]
    assert main([*words, "-o", "threads.mp4"]) == 0
    assert main([*words, "-o", "ray.mp4", "--run", "ray"]) == 0
    first, second = (cat_batched(list(read(Path(name)))) for name in ("threads.mp4", "ray.mp4"))
    assert torch.equal(first.data, second.data)
    assert torch.equal(first.seconds, second.seconds)


def test_a_video_may_be_the_background(folder, stored, walking):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "--size", SIZE, "--background", str(walking)]
    assert main([*words, "-o", "out.mp4", "--quiet"]) == 0
    frames = next(iter(read(Path("out.mp4")))).data.float()
    assert (frames[0] - frames[-1]).abs().mean() > 1  # it moves, though the person stands


def test_corrections_change_a_little_of_what_the_avatar_shows(folder, stored):
    torch.manual_seed(0)
    networks = CorrectionNetworks()
    torch.nn.init.normal_(networks.target.glass.head.weight, std=0.02)
    write_weights(folder / "weights.safetensors", {"shape": "corrections"}, networks.state_dict())
    words = ["imitate", "photo.jpg", "--motion", str(stored), "--size", SIZE, "--preview", "--quiet"]
    assert main([*words, "-o", "plain.mp4"]) == 0
    assert main([*words, "-o", "mended.mp4", "--renderer", "corrections", "--weights", "weights.safetensors"]) == 0
    plain, mended = (next(iter(read(Path(name)))).data.float() for name in ("plain.mp4", "mended.mp4"))
    assert 0.02 < (plain - mended).abs().mean() < 10


def test_what_can_be_known_to_come_to_nothing_is_said_first(capsys, folder, stored, monkeypatch):
    monkeypatch.setattr(
        "pipelines.imitate.render_video.open_person_motion", lambda *_: pytest.fail("something was computed")
    )
    Path("text.jpg").write_text("no picture")
    Path("empty.mp4").touch()
    words = ["photo.jpg", "--motion", str(stored), "-o", "out.mp4"]
    assert "text.jpg" in refused(capsys, 3, *words, "--background", "text.jpg")
    assert "empty.mp4 is empty" in refused(capsys, 3, *words, "--background", "empty.mp4")
    assert "leave --body out" in refused(capsys, 2, *words, "--body", "smpl")
    assert "add --run ray" in refused(capsys, 2, *words, "--gpus-per-worker", "1")
    assert "needs --gpus-per-worker" in refused(capsys, 2, *words, "--run", "ray", "--device", "cuda")
    assert "writes .mp4 files" in refused(capsys, 2, *words[:-1], "out.webm", "--encoder", "nvenc")
    if not nvenc_works():
        assert "choose auto or x264" in refused(capsys, 2, *words, "--encoder", "nvenc")
    assert "replaces the driving video" in refused(
        capsys, 2, "photo.jpg", "clip.mp4", "--motion", str(stored), "-o", "out.mp4"
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(MemoryError(), marks=pytest.mark.slow),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
)
def test_where_the_memory_is_full_it_is_tried_once_more_with_half_as_much(capsys, folder, stored, monkeypatch, error):
    words = ["imitate", "photo.jpg", "--motion", str(stored), "--size", SIZE]
    assert main([*words, "-o", "before.mp4", "--quiet"]) == 0
    room, render = [2], FrameRenderer.__call__

    def tight(self, pair):
        if len(pair[1]) > room[0]:
            raise error
        return render(self, pair)

    monkeypatch.setattr(FrameRenderer, "__call__", tight)
    assert main([*words, "-o", "after.mp4"]) == 0
    assert "trying again with half as many frames at a time" in capsys.readouterr().err
    assert Path("after.mp4").read_bytes() == Path("before.mp4").read_bytes()
    room[0] = 0
    assert main([*words, "-o", "never.mp4"]) == 1
    assert "use a smaller --size" in capsys.readouterr().err
    assert sorted(os.listdir(folder)) == ["after.mp4", "before.mp4", "photo.jpg"]


def test_a_tiny_photo_is_refused(capsys, folder, stored):
    cv2.imwrite("tiny.png", np.zeros((40, 20, 3), np.uint8))
    said = refused(capsys, 3, "tiny.png", "--motion", str(stored), "-o", "out.mp4")
    assert "tiny.png has 20x40 pixels; give a photo of 64 or more" in said


def test_a_stored_motion_has_no_picture_to_stand_in(capsys, folder, stored):
    words = ["photo.jpg", "--motion", str(stored), "-o", "out.mp4", "--background", "driving"]
    assert "give its video" in refused(capsys, 2, *words)


def demo(capsys, folder):
    assert main(["demo", "--json", "--quiet"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["output"], report["seen"]) == ("motion-imitate-demo.mp4", 1.0)
    info = probe(Path("motion-imitate-demo.mp4"))
    assert report["frames"] == info.frames
    assert sorted(os.listdir(folder)) == ["motion-imitate-demo.mp4", "photo.jpg"]
    return info.frames, info.height, info.width


@pytest.mark.slow
def test_the_demo_shows_photo_clip_and_result(capsys, folder):
    assert demo(capsys, folder) == (100, 960, 720 + 540 + 720)


def test_a_small_demo_shows_photo_clip_and_result(capsys, folder, tmp_path_factory, monkeypatch):
    clip = tmp_path_factory.mktemp("demo") / "clip.mp4"
    write(clip, iter([next(iter(read(find_asset("demo/clip.mp4"), 5, (480, 270))))]), 60)
    monkeypatch.setattr("pipelines.imitate.demo.find_asset", lambda file: clip if "clip" in file else find_asset(file))
    monkeypatch.setattr("pipelines.imitate.demo.DEMO_SIZE", int(SIZE))
    assert demo(capsys, folder) == (5, 160, 120 + 90 + 120)


@pytest.mark.parametrize("frames", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_the_readmes_lines_of_python_do_what_the_command_does(folder, small_photo, monkeypatch, frames):
    monkeypatch.setattr("pipelines.rendering.write_video.RENDER_ENCODING", Encoding())
    clip = next(iter(read(find_asset("demo/clip.mp4"), frames, (480, 270))))
    write(Path("clip.mp4"), iter([clip]), 60)
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    exec(lines, {})
    Path("out.mp4").rename("by_hand.mp4")
    assert main(["imitate", "photo.jpg", "clip.mp4", "-o", "out.mp4", "--size", "1280", "--quiet"]) == 0
    by_hand, by_command = (cat_batched(list(read(Path(name)))).data.float() for name in ("by_hand.mp4", "out.mp4"))
    assert by_hand.shape == by_command.shape
    assert (by_hand - by_command).abs().mean() < 0.5
