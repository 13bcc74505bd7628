"""What files are said to be, and whether what is shipped is what was."""

import json
import struct
import zlib

import cv2
import numpy as np
import pytest

from motion_imitate import weights
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.read import stored_photo_size, upright_photo_size
from pipelines.cli.commands import main
from pipelines.cli.file_info import describe_asset
from tests.support.media import film


def told(capsys, path, code=0):
    assert main(["info", str(path), "--json"]) == code
    said = capsys.readouterr()
    return json.loads(said.out or said.err)


def test_a_clip_is_described_as_it_is_seen(capsys, tmp_path):
    clip = film(tmp_path / "clip.mov", count=45, turn=90, size=(128, 96), sound="aac")
    record = told(capsys, clip)
    assert (record["width"], record["height"], record["rotation"]) == (128, 96, 90)
    assert (record["frames"], record["rate"], record["sound"]) == (45, 30.0, "aac")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (480, 640)])
def test_a_picture_has_the_size_it_was_written_with(tmp_path, suffix, size):
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), np.zeros((*size, 3), np.uint8))
    assert stored_photo_size(path) == upright_photo_size(path) == size


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_a_small_file_with_a_huge_picture_is_not_opened(capsys, tmp_path):
    rows = zlib.compress(bytes(16001) * 16000, 9)
    head = struct.pack(">IIBBBBB", 16000, 16000, 8, 0, 0, 0, 0)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    assert bomb.stat().st_size < 300_000
    assert "16000x16000" in told(capsys, bomb, 3)["error"]


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8" + b"\xff\xe0\0\0" * 9]
)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".npz", ".safetensors", ".tflite", ".mp4", ""])
def test_what_is_not_what_its_name_says_is_refused(capsys, tmp_path, suffix, data):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(data)
    record = told(capsys, path, 3)
    assert str(path) in record["error"]


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_a_picture_that_breaks_off_is_refused(tmp_path, share):
    path = tmp_path / "picture.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    cv2.imwrite(str(path), noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(NotAPicture, match=r"picture\.jpg"):
        upright_photo_size(path)


def test_weights_are_counted(capsys):
    body = told(capsys, weights.find_asset("anny.safetensors"))
    assert (body["kind"], body["name"]) == ("weights", "anny")
    net = told(capsys, weights.find_asset("pose_lite.tflite"))
    assert net["kind"] == "network"
    assert net["numbers"] > 1_000_000


def test_a_shipped_file_is_there_sound_changed_or_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "ASSET_FOLDERS", (tmp_path,))
    (tmp_path / "a.bin").write_bytes(b"a")
    sound = weights.Asset("a.bin", "", "", "", weights.file_sha256(tmp_path / "a.bin"))
    changed = weights.Asset("a.bin", "", "", "", "0" * 64)
    missing = weights.Asset("b.bin", "", "", "", "0" * 64)
    assert [describe_asset(asset, True)["state"] for asset in (sound, changed, missing)] == [
        "sound",
        "changed",
        "missing",
    ]
    assert describe_asset(changed, False)["state"] == "there"


def test_weights_lists_what_is_shipped_and_where_an_own_file_goes(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTION_IMITATE_HOME", str(tmp_path))
    assert main(["weights", "--check", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["weights"]
    assert {row["file"] for row in rows} == {a.file for a in weights.read_asset_manifest()} | {
        str(tmp_path / "smpl.safetensors")
    }
    assert {row["state"] for row in rows} == {"sound", "not installed"}
    assert main(["weights"]) == 0
    assert "anny.safetensors" in capsys.readouterr().out
