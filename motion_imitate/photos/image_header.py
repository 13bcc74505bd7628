"""What an image file's header says."""

from dataclasses import dataclass
from mmap import mmap

ImageBytes = bytes | mmap


@dataclass(frozen=True)
class ImageHeader:
    """What an image's header says, and the memory that decoding takes."""

    kind: str
    height: int  # as stored
    width: int
    channels: int = 3  # expected, once decoded
    depth: int = 1  # bytes per sample
    orientation: int = 1  # Exif orientation; 1 is upright
    held: int | float = 0  # minimum bytes per pixel during decoding
    plain: bool = True  # samples are grey, RGB or RGBA
    whole: bool = True  # the end of the file is present
    profile: bytes = b""  # ICC colour profile
