"""Read an image's header before decoding it: a small file can hold a very large image.

Pillow is used for HEIC and AVIF alone: it refuses PNGs with a damaged text chunk and TIFFs of floats, which OpenCV
decodes, and allocates a WebP's canvas when it opens the file.
"""

import struct
from collections.abc import Callable, Iterator
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from motion_imitate.heif_brands import still_image_kind
from motion_imitate.photos.colour_profile import unpack_png_profile
from motion_imitate.photos.heif import read_heif_header
from motion_imitate.photos.image_header import ImageBytes, ImageHeader

JPEG_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers of a frame header, which holds the size
JPEG_PROGRESSIVE_MARKERS = {0xC2, 0xC6, 0xCA, 0xCE}  # those of progressive JPEGs, which are decoded whole in memory
JPEG_BARE_MARKERS = {0x01, *range(0xD0, 0xD8)}  # markers without a segment
SCAN, EXIF, PROFILE = 0xDA, 0xE1, 0xE2
WEBP_BYTES_PER_PIXEL = 4  # that the decoder allocates
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}  # by PNG colour type, as OpenCV decodes them
VIDEO_SIGNATURES = (b"\x1aE\xdf\xa3", b"FLV", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3", b"GIF8", b"0&\xb2u")
WIDTH, HEIGHT, BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, TILE_WIDTH, TILE_HEIGHT = 256, 257, 258, 262, 274, 277, 322, 323


class NotAPicture(ValueError):
    """The file is not an image that can be read, or it is damaged."""


def map_image_file(path: Path) -> mmap:
    """Memory-map a file copy-on-write: writes change only memory, never the file."""
    try:
        mode = path.stat().st_mode
        if not S_ISREG(mode):
            raise NotAPicture(f"{path} is {'a folder' if S_ISDIR(mode) else 'not a regular file'}; give a photo")
        if not path.stat().st_size:
            raise NotAPicture(f"{path} is empty; copy or download it again")
        with path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_COPY)
    except NotAPicture:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotAPicture(f"{path} cannot be opened ({reason}); give the path of a photo") from None


def read_image_header(path: Path, data: ImageBytes) -> ImageHeader:
    """Parse the header of a PNG, JPEG, HEIC, AVIF, WebP, TIFF or BMP; raises NotAPicture for anything else."""
    try:
        readers = (read for begins, read in HEADER_READERS.items() if data[: len(begins)] == begins)
        head = next(readers, read_heif_header)(data)
    except (struct.error, IndexError, ValueError):  # truncated header
        head = None
    if head is not None and min(head.height, head.width) > 0:
        return head
    if is_video(data):
        raise NotAPicture(f"{path} is a video; give a photo")
    raise NotAPicture(f"{path} is not a PNG, JPEG, HEIC, AVIF, WebP, TIFF or BMP image; save it as PNG or JPEG")


def is_video(data: ImageBytes) -> bool:
    """Whether the first bytes are those of a video container."""
    if data[4:8] == b"ftyp":
        return still_image_kind(data) is None
    ts = len(data) > 376 and data[0] == data[188] == data[376] == 0x47
    avi = data[:4] == b"RIFF" and data[8:12] == b"AVI "
    return ts or avi or data[4:8] in (b"moov", b"mdat", b"wide") or data[:4].startswith(VIDEO_SIGNATURES)


def read_jpeg_header(data: ImageBytes) -> ImageHeader | None:
    """Size, orientation and decoding memory from a JPEG's markers; None if it has no frame header."""
    orientation, profile = 1, dict[int, bytes]()
    for marker, at, length in jpeg_segments(data):
        if marker == PROFILE and data[at : at + 12] == b"ICC_PROFILE\0":
            profile[data[at + 12]] = data[at + 14 : at + length]
        if marker == EXIF and data[at : at + 6] == b"Exif\0\0":
            orientation = exif_orientation(data[at + 6 : at + length])
        if marker in JPEG_FRAME_MARKERS:
            height, width, channels = struct.unpack(">HHB", data[at + 1 : at + 6])
            held = (
                2 * jpeg_samples_per_pixel(data[at + 6 : at + 6 + 3 * channels])
                if marker in JPEG_PROGRESSIVE_MARKERS
                else 0
            )
            whole = data.find(b"\xff\xd9", at) > 0
            icc = b"".join(part for _, part in sorted(profile.items()))
            return ImageHeader("JPEG", height, width, 3, 1, orientation, held, whole=whole, profile=icc)
    return None


def jpeg_samples_per_pixel(components: bytes) -> float:
    """Samples per pixel over all components: chroma is often subsampled."""
    across, down = [x >> 4 for x in components[1::3]], [x & 15 for x in components[1::3]]
    return sum(x * y for x, y in zip(across, down, strict=True)) / max(1, max(across) * max(down))


def jpeg_segments(data: ImageBytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, offset, length) of each segment before the image data."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != SCAN:
        marker = data[at + 1]
        if marker == 0xFF or marker in JPEG_BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        yield marker, at + 4, length - 2
        at += 2 + length


def read_png_header(data: ImageBytes) -> ImageHeader:
    """Size, channels and orientation from a PNG's chunks."""
    found = {name: (at, length) for name, at, length in png_chunks(data)}
    if b"IHDR" not in found:
        return ImageHeader("PNG", 0, 0)
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    at, length = found.get(b"eXIf", (0, 0))
    channels = 4 if b"tRNS" in found and colour == 3 else PNG_CHANNELS.get(colour, 4)
    depth = 2 if bits == 16 else 1
    icc_at, icc_length = found.get(b"iCCP", (0, 0))
    return ImageHeader(
        "PNG",
        height,
        width,
        channels,
        depth,
        exif_orientation(data[at : at + length]),
        channels * depth,
        whole=b"IEND" in found,
        profile=unpack_png_profile(data[icc_at : icc_at + icc_length]),
    )


def png_chunks(data: ImageBytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, offset, length) of each chunk."""
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        yield name, at + 8, length
        at += 12 + length


def riff_chunks(data: ImageBytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, offset, length) of each chunk."""
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[at : at + 8])
        yield name, at + 8, length
        at += 8 + length + length % 2


def read_webp_header(data: ImageBytes) -> ImageHeader | None:
    """Size and orientation from a WebP's chunks; None if the RIFF file is not WebP."""
    if data[8:12] != b"WEBP":
        return None
    sizes, orientation, profile = [(0, 0)], 1, b""
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
            orientation = exif_orientation(data[at : at + length].removeprefix(b"Exif\0\0"))
        elif name == b"ICCP":
            profile = data[at : at + length]
    height, width = max(sizes, key=lambda size: size[0] * size[1])
    channels = 4 if data[12:16] != b"VP8 " else 3
    return ImageHeader("WebP", height, width, channels, 1, orientation, held=WEBP_BYTES_PER_PIXEL, profile=profile)


def read_tiff_header(data: ImageBytes) -> ImageHeader:
    """Size, channels and orientation from a TIFF's first directory."""
    said = tiff_tag_values(data)
    height = max(said.get(HEIGHT, 0), said.get(TILE_HEIGHT, 0))  # a tile is decoded whole
    width = max(said.get(WIDTH, 0), said.get(TILE_WIDTH, 0))
    channels, depth = said.get(SAMPLES, 1), max(1, said.get(BITS, 1) // 8)
    plain = said.get(PHOTOMETRIC) in (1, 2)
    return ImageHeader("TIFF", height, width, channels, depth, exif_orientation(data), max(3, channels * depth), plain)


def tiff_tag_values(block: ImageBytes) -> dict[int, int]:
    """First value of each entry in a TIFF's first directory; Exif data is a TIFF."""
    return {name: struct.unpack_from(form, block, at)[0] for name, (form, at) in tiff_entries(block).items()}


def tiff_entries(block: ImageBytes) -> dict[int, tuple[str, int]]:
    """Struct format and offset of the first value of each entry in a TIFF's first directory."""
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


def reset_tiff_orientation(data: mmap) -> None:
    """Set a TIFF's orientation to upright, in memory only: OpenCV refuses rotated ones."""
    if ORIENTATION in (found := tiff_entries(data)):
        form, at = found[ORIENTATION]
        struct.pack_into(form, data, at, 1)


def exif_orientation(exif: ImageBytes) -> int:
    """Exif orientation, 1 to 8; 1 (upright) if missing or invalid."""
    try:
        value = tiff_tag_values(exif).get(ORIENTATION, 1)
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def read_bmp_header(data: ImageBytes) -> ImageHeader:
    """Size and channels from a BMP's header."""
    (length,) = struct.unpack("<I", data[14:18])
    width, height, _, bits = struct.unpack("<HHHH" if length == 12 else "<iiHH", data[18 : 26 if length == 12 else 30])
    channels = 4 if bits == 32 else 3
    return ImageHeader("BMP", abs(height), width, channels, held=channels)


HEADER_READERS: dict[bytes, Callable[[ImageBytes], ImageHeader | None]] = {
    b"\xff\xd8": read_jpeg_header,
    b"\x89PNG\r\n\x1a\n": read_png_header,
    b"RIFF": read_webp_header,
    b"II*\0": read_tiff_header,
    b"MM\0*": read_tiff_header,
    b"BM": read_bmp_header,
}
