"""However a photo is stored, it is read as it is meant to be seen, or refused in a sentence."""

import os
import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.photos import headers
from motion_imitate.photos import read as pictures
from motion_imitate.photos.headers import NotAPicture
from motion_imitate.photos.read import read_photo, stored_photo_size, upright_photo_size
from tests.support.media import film

LARGE = 1000
RED, GREEN, BLUE, WHITE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)


def corners(height=48, width=80):
    """[H, W, 3] RGB: red, green, blue and white in the corners, in reading order."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[: height // 2, width // 2 :, 1] = 255
    image[height // 2 :, : width // 2, 2] = 255
    image[height // 2 :, width // 2 :] = 255
    return image


def stored(path, image):
    """An RGB(A) or grey array, by the writer that the name asks for."""
    order = [2, 1, 0, 3][: image.shape[2]] if image.ndim == 3 else ...
    ok, data = cv2.imencode(path.suffix, image[..., order] if image.ndim == 3 else image)
    assert ok
    path.write_bytes(data.tobytes())
    return path


def colours(image):
    """What is in the corners, in reading order."""
    height, width = image.shape[1:]
    at = [(y, x) for y in (height // 5, height * 4 // 5) for x in (width // 5, width * 4 // 5)]
    return [tuple(int(v) for v in image[:, y, x].round()) for y, x in at]


def exif(orientation, order=">"):
    mark = b"MM\0*" if order == ">" else b"II*\0"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path, size, bits, colour, rows, *extra):
    head = struct.pack(">IIBBBBB", size[1], size[0], bits, colour, 0, 0, 0)
    body = b"".join([chunk(b"IHDR", head), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def with_exif(path, orientation, order):
    """The file with a note of how it is turned, as its kind keeps it."""
    data, note = path.read_bytes(), exif(orientation, order)
    if path.suffix == ".jpg":
        body = b"Exif\0\0" + note
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    elif path.suffix == ".png":
        data = data[:33] + chunk(b"eXIf", note) + data[33:]
    elif path.suffix == ".webp":
        height, width = stored_photo_size(path)
        extended = bytes([8, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body = b"VP8X" + struct.pack("<I", 10) + extended + data[12:] + b"EXIF" + struct.pack("<I", len(note)) + note
        data = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    path.write_bytes(data)
    return path


MEANT = {
    1: [RED, GREEN, BLUE, WHITE],
    2: [GREEN, RED, WHITE, BLUE],
    3: [WHITE, BLUE, GREEN, RED],
    4: [BLUE, WHITE, RED, GREEN],
    5: [RED, BLUE, GREEN, WHITE],
    6: [BLUE, RED, WHITE, GREEN],
    7: [WHITE, GREEN, BLUE, RED],
    8: [GREEN, WHITE, RED, BLUE],
}  # what Exif's orientations say of the corners


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", MEANT)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_photo_stands_as_the_camera_was_held(tmp_path, suffix, orientation, order):
    path = with_exif(stored(tmp_path / f"photo{suffix}", corners()), orientation, order)
    for longest in (LARGE, 40):
        image = read_photo(path, longest).image
        assert colours(image) == MEANT[orientation]
    assert tuple(image.shape[1:]) == ((40, 24) if orientation > 4 else (24, 40))
    assert upright_photo_size(path) == ((80, 48) if orientation > 4 else (48, 80))
    assert stored_photo_size(path) == (48, 80)


def tiff(path, image, orientation, photometric=2):
    """An uncompressed TIFF with one strip, of 8-bit numbers."""
    height, width, channels = image.shape
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, photometric), (273, 8), (274, orientation)]
    entries += [(277, channels), (278, height), (279, image.size)]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    data = b"II*\0" + struct.pack("<I", 8 + image.size) + image.tobytes()
    path.write_bytes(data + struct.pack("<H", len(entries)) + table + b"\0\0\0\0")
    return path


@pytest.mark.parametrize("orientation", MEANT)
def test_a_tiff_stands_as_the_camera_was_held(tmp_path, orientation):
    path = tiff(tmp_path / "photo.tiff", corners(), orientation)
    before = path.read_bytes()
    assert colours(read_photo(path, LARGE).image) == MEANT[orientation]
    assert path.read_bytes() == before


def test_a_tiff_of_inks_is_read_as_colours(tmp_path):
    inks = np.concatenate([255 - corners(), np.zeros((48, 80, 1), np.uint8)], 2)
    seen = read_photo(tiff(tmp_path / "inks.tiff", inks, 1, photometric=5), LARGE)
    assert colours(seen.image) == MEANT[1]
    assert seen.alpha is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff", ".bmp"])
def test_every_kind_of_file_gives_the_same_picture(tmp_path, suffix):
    seen = read_photo(stored(tmp_path / f"photo{suffix}", corners()), LARGE)
    assert colours(seen.image) == MEANT[1]
    assert seen.alpha is None
    assert seen.image.shape == (3, 48, 80)
    assert seen.image.dtype == torch.float32
    assert 0 <= seen.image.min() <= seen.image.max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".bmp"])
def test_grey_is_grey(tmp_path, suffix):
    image = read_photo(stored(tmp_path / f"grey{suffix}", np.full((20, 30), 51, np.uint8)), LARGE).image
    assert_close(image, torch.full((3, 20, 30), 0.2))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_kept(tmp_path, suffix):
    ramp = np.arange(30000, 30000 + 4 * 5 * 3, dtype=np.uint16).reshape(4, 5, 3)
    image = read_photo(stored(tmp_path / f"deep{suffix}", ramp), LARGE).image
    assert_close(image * 65535, torch.from_numpy(ramp.astype(np.float32)).permute(2, 0, 1), atol=0.02, rtol=0)


def test_a_palette_is_looked_up(tmp_path):
    table = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]))
    rows = bytes([0, 0b00000101, 0, 0b10101111])  # 2 bits each: 0 0 1 1 above 2 2 3 3
    image = read_photo(png(tmp_path / "palette.png", (2, 4), 2, 3, rows, table), LARGE).image
    assert [tuple(image[:, y, x].int().tolist()) for y in (0, 1) for x in (0, 3)] == MEANT[1]
    clear = read_photo(png(tmp_path / "clear.png", (2, 4), 2, 3, rows, table, chunk(b"tRNS", bytes([0, 51]))), LARGE)
    assert_close(clear.alpha[0], torch.tensor([[0, 0, 0.2, 0.2], [1, 1, 1, 1]]))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_alpha_is_straight_and_turns_with_the_picture(tmp_path, suffix, kind):
    if suffix == ".webp" and kind is np.uint16:
        pytest.skip("WebP has 8 bits")
    top = np.iinfo(kind).max
    image = np.full((48, 80, 4), top, kind)
    image[..., 1:3] = 0
    image[:24, :, 3] = top // 5
    path = stored(tmp_path / f"clear{suffix}", image)
    seen = read_photo(path, LARGE)
    assert_close(seen.alpha[0, 10, 10], torch.tensor(0.2), atol=1e-4, rtol=0)
    assert_close(seen.image[:, 10, 10], torch.tensor([1.0, 0, 0]), atol=0.01, rtol=0)
    if suffix == ".png":
        turned = read_photo(with_exif(path, 6, ">"), LARGE)
        assert turned.alpha.shape == (1, 80, 48)
        assert_close(turned.alpha[0], seen.alpha[0].rot90(-1))


def test_a_channel_that_hides_nothing_or_all_is_no_alpha(tmp_path):
    for value in (0, 255):
        image = np.concatenate([corners(), np.full((48, 80, 1), value, np.uint8)], 2)
        seen = read_photo(stored(tmp_path / "photo.png", image), 40)
        assert seen.alpha is None
        assert colours(seen.image) == MEANT[1]


def test_colours_that_cannot_be_seen_do_not_bleed(tmp_path):
    image = np.zeros((40, 40, 4), np.uint8)
    image[:, :, 1] = 255  # green, and clear
    image[:, 5:25] = (255, 0, 0, 255)
    seen = read_photo(stored(tmp_path / "cut.png", image), 10)
    edge = seen.alpha[0] > 0.1
    assert_close(seen.alpha[0, 5], torch.tensor([0, 0.75, 1, 1, 1, 1, 0.25, 0, 0, 0]), atol=0.01, rtol=0)
    assert_close(seen.image[:, edge], torch.tensor([1.0, 0, 0])[:, None].expand(3, int(edge.sum())), atol=0.01, rtol=0)


@pytest.mark.parametrize("factor", [1, 2, 5, 9, 20])
def test_a_picture_is_made_smaller_by_the_mean_of_its_areas(tmp_path, factor):
    blocks = np.random.default_rng(0).integers(0, 255, (24, 36, 3), np.uint8)
    large = blocks.repeat(factor, 0).repeat(factor, 1)
    image = read_photo(stored(tmp_path / "large.png", large), 36).image
    assert_close(image, torch.from_numpy(blocks).permute(2, 0, 1) / 255)


@pytest.mark.parametrize("factor", [2, 4.5, 8, 16, 21.3])
def test_a_jpeg_read_small_is_the_picture_made_small(tmp_path, factor):
    y, x = (np.mgrid[0 : round(60 * factor), 0 : round(90 * factor)] + 0.5) / factor
    waves = np.stack([np.sin(x / 4), np.sin(y / 5 + x / 7), np.cos(y / 3)], 2) * 120 + 128
    path = stored(tmp_path / "waves.jpg", waves.astype(np.uint8))
    image = read_photo(path, 90).image
    y, x = np.mgrid[0:60, 0:90] + 0.5
    waves = np.stack([np.sin(x / 4), np.sin(y / 5 + x / 7), np.cos(y / 3)]) * 120 + 128
    assert image.shape == waves.shape
    assert (image * 255 - torch.from_numpy(waves)).abs().mean() < 3  # half a pixel off would make it 8


@pytest.mark.parametrize("orientation", MEANT)
def test_a_photo_one_pixel_wide_turns_like_any_other(tmp_path, orientation):
    path = with_exif(stored(tmp_path / "line.png", corners(48, 1)), orientation, ">")
    assert read_photo(path, LARGE).image.shape == ((3, 1, 48) if orientation > 4 else (3, 48, 1))


def test_a_picture_is_never_made_larger_and_keeps_its_shape(tmp_path):
    path = stored(tmp_path / "photo.png", corners(30, 1001))
    assert read_photo(path, 5000).image.shape == (3, 30, 1001)
    assert read_photo(path, 500).image.shape == (3, 15, 500)
    assert read_photo(path, 4).image.shape == (3, 1, 4)


def flat_jpeg(fields, inks):
    """A JPEG of 8x8 fields in four inks, as Adobe stores them: inverted, and told so."""
    lengths = bytes([0] * 3 + [9] + [0] * 12)  # nine codes of four bits: 0 to 8 bits of difference follow
    bits, last = "", [0] * inks
    for field in fields:
        for i, value in enumerate(field):
            step, last[i] = value - 128 - last[i], value - 128
            size = abs(step).bit_length()
            bits += f"{size:04b}" + (f"{step if step > 0 else step + (1 << size) - 1:0{size}b}" if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")

    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    size = struct.pack(">BHHB", 8, 8, 8 * len(fields), inks)
    return (
        b"\xff\xd8"
        + segment(0xEE, b"Adobe" + bytes([0, 100, 0, 0, 0, 0, 0]))
        + segment(0xDB, bytes([0] + [8] * 64))
        + segment(0xC0, size + b"".join(bytes([i + 1, 0x11, 0]) for i in range(inks)))
        + segment(0xC4, b"\0" + lengths + bytes(range(9)))
        + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
        + segment(0xDA, bytes([inks]) + b"".join(bytes([i + 1, 0]) for i in range(inks)) + bytes([0, 63, 0]))
        + scan
        + b"\xff\xd9"
    )


def test_a_jpeg_in_four_inks_is_read_as_colours(tmp_path):
    path = tmp_path / "inks.jpg"
    none, full = 255, 0  # inverted
    fields = [(none, full, full, none), (none,) * 4, (none, none, none, full), (full, none, none, none), (155,) * 4]
    path.write_bytes(flat_jpeg(fields, 4))
    for longest in (40, 20, 5):
        image = read_photo(path, longest).image
        at = [image[:, 0, int(image.shape[2] * (i + 0.5) / 5)] for i in range(5)]
        expected = torch.tensor([RED, WHITE, (0, 0, 0), (0, 1, 1), ((155 / 255) ** 2,) * 3])
        assert_close(torch.stack(at), expected.float(), atol=0.02, rtol=0)


def test_a_photo_may_have_any_name(tmp_path):
    folder = tmp_path / "фото 写真 %s"
    folder.mkdir()
    path = stored(folder / "né 🙂.jpg", corners())
    assert colours(read_photo(path, LARGE).image) == MEANT[1]


def test_what_is_read_into_its_place_is_what_is_read_in_two_steps(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 4), np.uint8)
    paths = [stored(tmp_path / f"photo{s}", image[..., :n]) for n in (3, 4) for s in (".png", ".tiff", ".bmp", ".webp")]
    paths.append(stored(tmp_path / "grey.png", image[..., 0].copy()))
    easy = [read_photo(path, 30) for path in paths]
    monkeypatch.setattr(pictures, "MAX_COPIED_BYTES", 0)
    for path, one in zip(paths, easy, strict=True):
        other = read_photo(path, 30)
        assert torch.equal(one.image, other.image)
        assert one.alpha is other.alpha is None or torch.equal(one.alpha, other.alpha)


def refusal(path):
    with pytest.raises(NotAPicture) as error:
        read_photo(path, LARGE)
    said = str(error.value)
    assert str(path) in said
    assert "\n" not in said
    assert "; " in said  # what is wrong; what to do
    return said


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_picture_that_breaks_off_is_refused_quietly(tmp_path, capfd, suffix, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = stored(tmp_path / f"photo{suffix}", noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refusal(path)
    assert capfd.readouterr().err == ""


def test_a_download_filled_up_with_zeros_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = stored(tmp_path / "photo.jpg", noise)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    assert "truncated" in refusal(path)


def test_what_is_no_picture_is_refused(tmp_path):
    assert "folder" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "nothing.png")
    empty = tmp_path / "empty.png"
    empty.touch()
    assert "empty" in refusal(empty)
    text = tmp_path / "text.jpg"
    text.write_text("not a picture at all" * 100)
    assert "not a PNG, JPEG" in refusal(text)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert "not a regular file" in refusal(pipe)
    phone = tmp_path / "phone.heic"
    phone.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    assert "damaged or truncated HEIC" in refusal(phone)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv", "clip.avi", "clip.ts"])
def test_a_video_is_told_from_a_photo(tmp_path, name):
    clip = film(tmp_path / name, count=5)
    assert f"{clip} is a video; give a photo" == refusal(clip)
    assert "is a video" in refusal(clip.rename(tmp_path / "renamed.jpg"))


def heads(tmp_path, size):
    """Files that say they hold a picture of that size, and don't."""
    height, width = size
    whole = {s: stored(tmp_path / f"small{s}", corners()).read_bytes() for s in (".jpg", ".webp", ".tiff", ".bmp")}
    at = whole[".jpg"].index(b"\xff\xc0") + 5
    yield png(tmp_path / "bomb.png", size, 8, 2, bytes(100))
    for suffix, begin, told in (
        (".jpg", at, struct.pack(">HH", height, width)),
        (".bmp", 18, struct.pack("<ii", width, -height)),
    ):
        path = tmp_path / f"bomb{suffix}"
        path.write_bytes(whole[suffix][:begin] + told + whole[suffix][begin + len(told) :])
        yield path
    path = tmp_path / "bomb.webp"
    extended = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    path.write_bytes(whole[".webp"][:12] + b"VP8X" + struct.pack("<I", 10) + extended + whole[".webp"][12:])
    yield path
    path = tmp_path / "bomb.tiff"
    path.write_bytes(b"II*\0" + struct.pack("<IHHHIIHHII", 8, 2, 256, 4, 1, width, 257, 4, 1, height))
    yield path


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    for decode in ("imdecode", "imread"):
        monkeypatch.setattr(cv2, decode, None)
    for bomb in heads(tmp_path, (20000, 12000)):
        assert "12000x20000" in refusal(bomb)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path):
    deep = png(tmp_path / "deep.png", (10000, 10000), 16, 6, bytes(100))
    assert "800 MB" in refusal(deep)
    ok, data = cv2.imencode(".jpg", corners(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    at = data.tobytes().index(b"\xff\xc2") + 5
    slow = tmp_path / "progressive.jpg"
    slow.write_bytes(
        data.tobytes()[:at] + struct.pack(">HHB", 10000, 10000, 4) + b"\1\x11\0" * 4 + bytes(50) + b"\xff\xd9"
    )
    assert ok
    assert "progressive" in refusal(slow)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".bmp"])
def test_damage_brings_a_picture_or_a_sentence(tmp_path, suffix):
    path = stored(tmp_path / f"photo{suffix}", corners(16, 16))
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for at in random.integers(2, len(data), 3):
            data[at] = random.integers(256)
        path.write_bytes(data)
        with suppress(NotAPicture):
            image = read_photo(path, 64).image
            assert 0 <= image.min() <= image.max() <= 1


def test_the_header_agrees_with_what_opencv_reads(tmp_path):
    for shape in ((7, 300), (300, 7), (1, 1)):
        for suffix in (".png", ".jpg", ".webp", ".tiff", ".bmp"):
            path = stored(tmp_path / f"photo{suffix}", np.zeros((*shape, 3), np.uint8))
            with headers.map_image_file(path) as data:
                head = headers.read_image_header(path, data)
            read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert (head.height, head.width) == read.shape[:2] == shape
