"""How large a picture file says it is, before anything unpacks it: a small file can hold a huge picture."""

import struct
from pathlib import Path

import cv2

PIXELS = 64_000_000  # of a picture that is opened
SIZED = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers that a frame's size follows


class NotAPicture(ValueError):
    """A file that is no picture, or no sound one."""


def upright_size(path: Path) -> tuple[int, int]:
    """Height and width of a PNG or JPEG as it is meant to be seen; it is opened, so it is whole."""
    height, width = stored_size(path)
    if height * width > PIXELS:
        raise NotAPicture(f"{path} has {width}x{height} pixels; at most {PIXELS // 10**6} million can be taken")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise NotAPicture(f"{path} is a damaged picture; save it anew as PNG or JPEG")
    return picture.shape[0], picture.shape[1]


def stored_size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        head = file.read(1 << 20)
    size = png_size(head) if head.startswith(b"\x89PNG\r\n\x1a\n") else jpeg_size(head)
    if size is None or 0 in size:
        raise NotAPicture(f"{path} is not a PNG or JPEG picture; save it as one")
    return size


def png_size(head: bytes) -> tuple[int, int] | None:
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", head[16:24])
    return height, width


def jpeg_size(head: bytes) -> tuple[int, int] | None:
    if not head.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in SIZED:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return height, width
        at += 1 if head[at + 1] == 0xFF else 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return None
