"""HEIC and AVIF photos are read as the phone shows them, or refused in a sentence."""

from contextlib import suppress

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from motion_imitate.photos import headers, heif
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.read import read_photo, stored_photo_size, upright_photo_size
from motion_imitate.video import NotAVideo, probe
from tests.photos.test_read import BLUE, GREEN, LARGE, RED, WHITE, colours, corners, refusal
from tests.video.test_reading import LIGHT, hlg, pq

UPRIGHT = [RED, GREEN, BLUE, WHITE]
SIZE = (64, 128)


def saved(path, image, **how):
    """An array of 8 or 16 bits as HEIC, lossless."""
    mode = (
        "RGB;16"
        if image.dtype == np.uint16
        else {2: "L", 3: "RGB", 4: "RGBA"}[image.shape[-1] if image.ndim > 2 else 2]
    )
    file = pillow_heif.from_bytes(mode, image.shape[1::-1], image.tobytes())
    file.save(str(path), **({"quality": -1, "chroma": 444} | how))
    return path


def with_property(path, name, box, value):
    """The file with one of its image's properties replaced by another."""
    data = path.read_bytes()
    at = data.index(name) - 4
    length = int.from_bytes(data[at : at + 4])
    path.write_bytes(data[: at + 4] + box + bytes([value]) + bytes(length - 9) + data[at + length :])
    return path


def with_exif(path, image, orientation):
    """A HEIC whose Exif alone has this orientation: the writer would add a rotation."""
    held = Image.Exif()
    held[274] = 1
    data = saved(path, image, exif=held.tobytes()).read_bytes()
    entry = b"\x01\x12\0\x03\0\0\0\x01\0"
    assert entry + b"\x01" in data
    path.write_bytes(data.replace(entry + b"\x01", entry + bytes([orientation])))
    return path


@pytest.mark.parametrize("turns", range(4))
def test_a_heic_is_turned_once_by_its_own_rotation_and_not_by_exif(tmp_path, turns):
    """As phones write it: both say how the camera was held."""
    path = with_exif(tmp_path / "photo.heic", corners(*SIZE), [1, 8, 3, 6][turns])
    with_property(path, b"pixi", b"irot", turns)
    image = read_photo(path, LARGE).image
    expected = torch.from_numpy(np.rot90(corners(*SIZE), turns).copy()).permute(2, 0, 1) / 255
    assert_close(image, expected, atol=0.01, rtol=0)
    assert upright_photo_size(path) == tuple(image.shape[1:])


@pytest.mark.parametrize(("axis", "flipped"), [(0, -2), (1, -1)])
def test_a_mirrored_heic_is_mirrored(tmp_path, axis, flipped):
    path = with_property(saved(tmp_path / "photo.heic", corners(*SIZE)), b"pixi", b"imir", axis)
    expected = torch.from_numpy(corners(*SIZE)).permute(2, 0, 1).flip(flipped) / 255
    assert_close(read_photo(path, LARGE).image, expected, atol=0.01, rtol=0)


def test_exif_alone_turns_no_heic(tmp_path):
    path = with_exif(tmp_path / "photo.heic", corners(*SIZE), 6)
    assert colours(read_photo(path, LARGE).image) == UPRIGHT


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_an_avif_is_turned_once(tmp_path, orientation):
    held = Image.Exif()
    held[274] = orientation
    Image.fromarray(corners(*SIZE)).save(tmp_path / "photo.avif", exif=held, quality=100)
    path = tmp_path / "photo.avif"
    image = Image.fromarray(corners(*SIZE))
    turns = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270}
    image = image.transpose(turns.get(orientation, Image.Transpose.ROTATE_90)) if orientation > 1 else image
    assert colours(read_photo(path, LARGE).image) == colours(torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255)
    assert upright_photo_size(path) == image.size[::-1]


def test_a_photo_of_tiles_is_one_picture_and_is_scaled(tmp_path):
    """As phones store large ones."""
    path = saved(tmp_path / "photo.heic", corners(256, 384), tile_size=64)
    assert colours(read_photo(path, LARGE).image) == UPRIGHT
    assert read_photo(path, 96).image.shape == (3, 64, 96)
    assert stored_photo_size(path) == (256, 384)


def test_ten_bits_are_kept(tmp_path):
    ramp = np.linspace(20000, 40000, 64 * 64 * 3).astype(np.uint16).reshape(64, 64, 3)
    image = read_photo(saved(tmp_path / "deep.heic", ramp), LARGE).image
    assert_close(image * 65535, torch.from_numpy(ramp.astype(np.float32)).permute(2, 0, 1), atol=160, rtol=0)


def test_grey_is_grey(tmp_path):
    image = read_photo(saved(tmp_path / "grey.heic", np.full((64, 64), 51, np.uint8)), LARGE).image
    assert_close(image, torch.full((3, 64, 64), 0.2), atol=0.005, rtol=0)


def test_alpha_is_straight(tmp_path):
    image = np.full((*SIZE, 4), 255, np.uint8)
    image[..., 1:3] = 0
    image[:32, :, 3] = 51
    seen = read_photo(saved(tmp_path / "cut.heic", image), LARGE)
    assert_close(seen.alpha[0, [5, 40], 5], torch.tensor([0.2, 1]), atol=0.01, rtol=0)
    assert_close(seen.image[:, 5, 5], torch.tensor([1.0, 0, 0]), atol=0.01, rtol=0)


def test_a_depth_map_is_no_alpha(tmp_path):
    image = Image.fromarray(corners(*SIZE))
    image.info["depth_images"] = [Image.fromarray(np.full(SIZE, 99, np.uint8))]
    pillow_heif.from_pillow(image).save(str(tmp_path / "portrait.heic"), quality=-1)
    seen = read_photo(tmp_path / "portrait.heic", LARGE)
    assert seen.alpha is None
    assert colours(seen.image) == UPRIGHT


def test_of_several_pictures_the_one_that_viewers_show_is_read(tmp_path):
    burst = pillow_heif.HeifFile()
    for image in (np.zeros((64, 64, 3), np.uint8), corners(*SIZE), np.full((64, 64, 3), 255, np.uint8)):
        burst.add_frombytes("RGB", image.shape[1::-1], image.tobytes())
    burst.save(str(tmp_path / "burst.heic"), quality=-1, primary_index=1)
    assert colours(read_photo(tmp_path / "burst.heic", LARGE).image) == UPRIGHT


@pytest.mark.parametrize(("curve", "tag"), [(pq, 16), (hlg, 18)])
def test_an_hdr_heic_is_tone_mapped(tmp_path, curve, tag):
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]])
    with np.errstate(invalid="ignore"):
        coded = np.round(65535 * curve(LIGHT @ wide.T * 203)).astype(np.uint16)
    tags = {"color_primaries": 9, "transfer_characteristics": tag, "matrix_coefficients": 9}
    path = saved(tmp_path / "hdr.heic", np.repeat(np.repeat(coded[None], 64, 0), 32, 1), **tags)
    image = read_photo(path, LARGE).image[:, 32, 16::32].T
    assert_close(image, torch.from_numpy(LIGHT ** (1 / 2.4)).float(), atol=0.02, rtol=0)


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_picture_that_breaks_off_is_refused_quietly(tmp_path, capfd, suffix, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / f"photo{suffix}"
    if suffix == ".heic":
        saved(path, noise)
    else:
        Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refusal(path)
    assert capfd.readouterr().err == ""


def with_size(path, height, width):
    """The file, which claims another size."""
    data = bytearray(path.read_bytes())
    at = data.index(b"ispe") + 8
    data[at : at + 8] = width.to_bytes(4) + height.to_bytes(4)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"bomb{suffix}"
    if suffix == ".heic":
        saved(path, corners(*SIZE))
    else:
        Image.fromarray(corners(*SIZE)).save(path)
    monkeypatch.setattr(heif, "decode_heic", None)
    monkeypatch.setattr(heif, "decode_avif", None)
    assert "12000x16000" in refusal(with_size(path, 16000, 12000))


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_damage_brings_a_picture_or_a_sentence(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    if suffix == ".heic":
        saved(path, corners(64, 64))
    else:
        Image.fromarray(corners(64, 64)).save(path)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        data = bytearray(whole)
        for at in random.integers(2, len(data), 3):
            data[at] = random.integers(256)
        path.write_bytes(data)
        with suppress(NotAPicture):
            image = read_photo(path, 64).image
            assert 0 <= image.min() <= image.max() <= 1


@pytest.mark.parametrize("suffix", [".heic", ".avif", ".mp4"])
def test_a_photo_is_no_video(tmp_path, suffix):
    """FFmpeg would play one tile of it."""
    path = tmp_path / f"photo{suffix}"
    if suffix == ".avif":
        Image.fromarray(corners(64, 64)).save(path)
    else:
        saved(tmp_path / "photo.heic", corners(256, 256), tile_size=64).rename(path)
    with pytest.raises(NotAVideo, match="is an image; give a video"):
        probe(path)


def test_a_heic_is_told_from_a_video_by_any_of_its_brands():
    assert not headers.is_video(b"\0\0\0\x18ftypMiHE\0\0\0\0mif1heic")
    assert headers.is_video(b"\0\0\0\x18ftypmp42\0\0\0\0isommp41")
