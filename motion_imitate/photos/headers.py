"""What a picture file says of itself, before anything unpacks it: a small file can hold a huge picture."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from stat import S_ISDIR, S_ISREG

FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers that a picture's size follows
WHOLE_IN_MEMORY = {0xC2, 0xC6, 0xCA, 0xCE}  # those of progressive ones
LONE = {0x01, *range(0xD0, 0xD8)}  # markers without anything that belongs to them
SCAN, EXIF = 0xDA, 0xE1
WEBP = 4  # bytes a pixel that its decoder holds
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}  # as OpenCV unpacks them
LIKE_VIDEO = (b"\x1aE\xdf\xa3", b"FLV", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3", b"GIF8", b"0&\xb2u")
STILLS = (b"heic", b"heix", b"heif", b"mif1", b"msf1", b"avif", b"avis")  # brands of pictures in a video's container
WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, TILE_WIDTH, TILE_HEIGHT = 256, 257, 258, 262, 274, 277, 322, 323

Data = bytes | mmap


class NotAPicture(ValueError):
    """A file that is no picture, or no sound one."""


@dataclass(frozen=True)
class Head:
    kind: str
    height: int  # as stored
    width: int
    channels: int = 3  # likely, once unpacked
    depth: int = 1  # bytes of a number
    orientation: int = 1  # Exif's: 1 is upright
    held: int | float = 0  # bytes a pixel while it is unpacked, at least
    plain: bool = True  # its numbers are grey, RGB or RGBA
    whole: bool = True  # its end is there


def mapped(path: Path) -> mmap:
    """The file's bytes, read only where they are looked at; what is written to them stays in memory."""
    try:
        mode = path.stat().st_mode
        if not S_ISREG(mode):
            raise NotAPicture(f"{path} is {'a folder' if S_ISDIR(mode) else 'not a regular file'}; give a photo")
        if not path.stat().st_size:
            raise NotAPicture(f"{path} is empty; copy or download it again, whole")
        with path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_COPY)
    except NotAPicture:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotAPicture(f"{path} cannot be opened ({reason}); give the path of a photo") from None


def head_of(path: Path, data: Data) -> Head:
    try:
        head = next((read(data) for begins, read in KINDS.items() if data[: len(begins)] == begins), None)
    except (struct.error, IndexError, ValueError):  # breaks off in its header
        head = None
    if head is not None and min(head.height, head.width) > 0:
        return head
    if is_video(data):
        raise NotAPicture(f"{path} is a video; give a photo")
    raise NotAPicture(f"{path} is not a PNG, JPEG, WebP, TIFF or BMP picture; save it as PNG or JPEG")


def is_video(data: Data) -> bool:
    if data[4:8] == b"ftyp":
        return data[8:12] not in STILLS
    ts = len(data) > 376 and data[0] == data[188] == data[376] == 0x47
    avi = data[:4] == b"RIFF" and data[8:12] == b"AVI "
    return ts or avi or data[4:8] in (b"moov", b"mdat", b"wide") or data[:4].startswith(LIKE_VIDEO)


def jpeg(data: Data) -> Head | None:
    orientation = 1
    for marker, at, length in segments(data):
        if marker == EXIF and data[at : at + 6] == b"Exif\0\0":
            orientation = turned(data[at + 6 : at + length])
        if marker in FRAMES:
            height, width, channels = struct.unpack(">HHB", data[at + 1 : at + 6])
            held = 2 * densities(data[at + 6 : at + 6 + 3 * channels]) if marker in WHOLE_IN_MEMORY else 0
            whole = data.find(b"\xff\xd9", at) > 0
            return Head("JPEG", height, width, 3, 1, orientation, held, whole=whole)
    return None


def densities(components: bytes) -> float:
    """Numbers a pixel: colours are often stored more coarsely than light."""
    across, down = [x >> 4 for x in components[1::3]], [x & 15 for x in components[1::3]]
    return sum(x * y for x, y in zip(across, down, strict=True)) / max(1, max(across) * max(down))


def segments(data: Data) -> Iterator[tuple[int, int, int]]:
    """Marker, and where what belongs to it lies, up to the picture itself."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != SCAN:
        marker = data[at + 1]
        if marker == 0xFF or marker in LONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        yield marker, at + 4, length - 2
        at += 2 + length


def png(data: Data) -> Head:
    found = {name: (at, length) for name, at, length in png_chunks(data)}
    if b"IHDR" not in found:
        return Head("PNG", 0, 0)
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    at, length = found.get(b"eXIf", (0, 0))
    channels = 4 if b"tRNS" in found and colour == 3 else PNG_CHANNELS.get(colour, 4)
    depth = 2 if bits == 16 else 1
    whole = b"IEND" in found
    return Head("PNG", height, width, channels, depth, turned(data[at : at + length]), channels * depth, whole=whole)


def png_chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Name, and where what it names lies."""
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, at + 8, length
        at += 12 + length


def riff_chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[at : at + 8])
        yield name, at + 8, length
        at += 8 + length + length % 2


def webp(data: Data) -> Head | None:
    if data[8:12] != b"WEBP":
        return None
    sizes, orientation = [(0, 0)], 1
    for name, at, length in riff_chunks(data):
        body = data[at : at + 10]
        if name == b"VP8X":
            sizes.append((1 + int.from_bytes(body[7:10], "little"), 1 + int.from_bytes(body[4:7], "little")))
        elif name == b"VP8L":
            packed = int.from_bytes(body[1:5], "little")
            sizes.append((1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF)))
        elif name == b"VP8 ":
            width, height = struct.unpack("<HH", body[6:10])
            sizes.append((height & 0x3FFF, width & 0x3FFF))
        elif name == b"EXIF":
            orientation = turned(data[at : at + length].removeprefix(b"Exif\0\0"))
    height, width = max(sizes, key=lambda size: size[0] * size[1])
    return Head("WebP", height, width, 4 if data[12:16] != b"VP8 " else 3, 1, orientation, held=WEBP)


def tiff(data: Data) -> Head:
    said = tags(data)
    height = max(said.get(HEIGHT, 0), said.get(TILE_HEIGHT, 0))  # one tile is unpacked whole
    width = max(said.get(WIDTH, 0), said.get(TILE_WIDTH, 0))
    channels, depth = said.get(SAMPLES, 1), max(1, said.get(BITS, 1) // 8)
    plain = said.get(PHOTOMETRIC) in (1, 2)
    return Head("TIFF", height, width, channels, depth, turned(data), max(3, channels * depth), plain)


def tags(block: Data) -> dict[int, int]:
    """The first number of each entry in the first directory of a TIFF, which Exif is one of."""
    return {name: struct.unpack_from(form, block, at)[0] for name, (form, at) in entries(block).items()}


def entries(block: Data) -> dict[int, tuple[str, int]]:
    """How and where those numbers are written."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return {}
    (start,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, start)
    found = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        name, kind, many = struct.unpack_from(order + "HHI", block, at)
        form = {1: "B", 3: "H", 4: "I"}.get(kind)
        if form:
            near = many * struct.calcsize(form) <= 4
            found[name] = (order + form, at + 8 if near else struct.unpack_from(order + "I", block, at + 8)[0])
    return found


def unturned(data: mmap) -> None:
    """A TIFF made to say that it is stored upright, in memory only: OpenCV refuses those that lie on their side."""
    if ORIENTATION in (found := entries(data)):
        form, at = found[ORIENTATION]
        struct.pack_into(form, data, at, 1)


def turned(exif: Data) -> int:
    """Exif's orientation; upright if it is missing or senseless."""
    try:
        value = tags(exif).get(ORIENTATION, 1)
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def bmp(data: Data) -> Head:
    (length,) = struct.unpack("<I", data[14:18])
    width, height, _, bits = struct.unpack("<HHHH" if length == 12 else "<iiHH", data[18 : 26 if length == 12 else 30])
    channels = 4 if bits == 32 else 3
    return Head("BMP", abs(height), width, channels, held=channels)


KINDS: dict[bytes, Callable[[Data], Head | None]] = {
    b"\xff\xd8": jpeg,
    b"\x89PNG\r\n\x1a\n": png,
    b"RIFF": webp,
    b"II*\0": tiff,
    b"MM\0*": tiff,
    b"BM": bmp,
}
