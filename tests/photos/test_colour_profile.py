"""Colours of an embedded profile come out as those of sRGB."""

import struct
import zlib

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image, ImageCms
from torch.testing import assert_close

from motion_imitate.photos.colour_profile import MAX_PROFILE_BYTES, convert_to_srgb, unpack_png_profile
from motion_imitate.photos.read import read_photo

P3_XYZ = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))  # at D50


def fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def matrix_profile(columns, space=b"RGB "):
    """An ICC profile of these primaries and the curve of sRGB."""
    curve = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    for name, column in zip(b"rgb", columns, strict=True):
        tags[bytes([name]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
        tags[bytes([name]) + b"TRC"] = curve
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value
    white = fixed(0.9642, 1, 0.8249)
    head = bytes(8) + struct.pack(">I", 0x4000000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28) + white
    head = struct.pack(">I", at + len(body)) + head[4:]
    return head + bytes(128 - len(head)) + table + body


DISPLAY_P3 = matrix_profile(P3_XYZ)
SHOWN = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0.5], [0, 1, 0], [0.5, 0.5, 0.5]])  # in sRGB
STORED = np.array([[234, 51, 35], [195, 155, 131], [117, 251, 76], [128, 128, 128]], np.uint8)  # in Display P3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".heic", ".avif"])
def test_display_p3_becomes_srgb_in_every_kind_of_file(tmp_path, suffix):
    fields = np.repeat(np.repeat(STORED[None], 64, 0), 32, 1)
    path = tmp_path / f"photo{suffix}"
    lossless = {".webp": {"lossless": True}, ".heic": {"quality": -1, "chroma": 444}, ".png": {}}
    image = Image.fromarray(fields)
    if suffix == ".heic":
        pillow_heif.register_heif_opener()
    image.save(path, icc_profile=DISPLAY_P3, **lossless.get(suffix, {"quality": 100, "subsampling": "4:4:4"}))
    assert_close(read_photo(path, 1000).image[:, 32, 16::32].T, SHOWN, atol=0.03, rtol=0)


def test_a_picture_in_srgb_is_unchanged_and_alpha_is_kept():
    picture = np.random.default_rng(0).random((5, 7, 4)).astype(np.float32)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert convert_to_srgb(picture, srgb) is picture
    assert_close(convert_to_srgb(picture, DISPLAY_P3)[..., 3], picture[..., 3])


@pytest.mark.parametrize("profile", [b"", b"none", DISPLAY_P3[:200], matrix_profile(P3_XYZ, b"CMYK")])
def test_a_profile_that_cannot_be_used_is_ignored(profile):
    picture = np.full((2, 2, 3), 0.5, np.float32)
    assert convert_to_srgb(picture, profile) is picture


def test_a_profile_that_unpacks_without_end_is_cut_off():
    bomb = zlib.compress(bytes(50_000_000))
    assert len(unpack_png_profile(b"p3\0\0" + bomb)) == MAX_PROFILE_BYTES
    assert unpack_png_profile(b"p3\0\0junk") == b""
