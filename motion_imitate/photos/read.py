"""Decode photos of any supported format: upright, RGB, scaled down to a maximum size."""

from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from motion_imitate.photos.colour_profile import convert_to_srgb
from motion_imitate.photos.headers import NotAPicture, map_image_file, read_image_header, reset_tiff_orientation
from motion_imitate.photos.heif import decode_heif
from motion_imitate.photos.image_header import ImageBytes, ImageHeader
from motion_imitate.quiet_stderr import quiet_stderr

__all__ = ["DecodedPhoto", "NotAPicture", "read_photo", "stored_photo_size", "upright_photo_size"]

MAX_PHOTO_PIXELS = 110_000_000  # of a photo that is decoded
MAX_UNPACKED_BYTES = 600_000_000  # bytes that decoding may take
MAX_COPIED_BYTES = 200_000_000  # bytes; above this, the photo is never held in memory twice
ALPHA_BAND_ROWS = 256  # rows multiplied by alpha at a time
REDUCED_JPEG_FLAGS = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
WHITE_LEVELS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0, "float64": 1.0}  # value of white, per number type

PixelArray = NDArray[Any]  # integers or floats


@dataclass(frozen=True)
class DecodedPhoto:
    """A decoded photo in [0, 1]."""

    image: Float[Tensor, "3 H W"]
    alpha: Float[Tensor, "1 H W"] | None  # straight alpha; None if the photo is opaque


def read_photo(path: Path, longest: int) -> DecodedPhoto:
    """Read a photo as it is meant to be displayed, its longer side at most `longest` pixels."""
    with map_image_file(path) as data:
        head = check_photo_header(path, data)
        stored = decode_photo(path, data, head, longest)
    shown = convert_to_srgb(shrink_photo(stored, scaled_photo_size(head, longest)), head.profile)
    seen = apply_orientation(shown, head.orientation)
    held = torch.from_numpy(seen.transpose(2, 0, 1).copy())
    return DecodedPhoto(held[:3], held[3:] if len(held) == 4 else None)


def upright_photo_size(path: Path) -> tuple[int, int]:
    """Height and width of a photo as displayed. The photo is decoded once, which checks that it is complete."""
    with map_image_file(path) as data:
        head = check_photo_header(path, data)
        decode_photo(path, data, head, 1)
    return (head.width, head.height) if head.orientation > 4 else (head.height, head.width)


def stored_photo_size(path: Path) -> tuple[int, int]:
    """Height and width as stored, from the header alone."""
    with map_image_file(path) as data:
        head = read_image_header(path, data)
    return head.height, head.width


def check_photo_header(path: Path, data: ImageBytes) -> ImageHeader:
    """Read the header; raise NotAPicture if the photo is too large or truncated."""
    head = read_image_header(path, data)
    pixels = head.height * head.width
    if pixels > MAX_PHOTO_PIXELS:
        size = f"{head.width}x{head.height}"
        raise NotAPicture(
            f"{path} has {size} pixels, over the limit of {MAX_PHOTO_PIXELS // 10**6} million; scale it down"
        )
    if pixels * head.held > MAX_UNPACKED_BYTES:
        raise NotAPicture(
            f"{path} takes {pixels * head.held / 1e6:.0f} MB to decode; the limit is {MAX_UNPACKED_BYTES // 10**6}; "
            "scale it down, or save it as a non-progressive JPEG"
        )
    if not head.whole:
        raise damaged_photo_error(path, head)
    return head


def damaged_photo_error(path: Path, head: ImageHeader) -> NotAPicture:
    """The error for a photo that cannot be decoded."""
    return NotAPicture(f"{path} is a damaged or truncated {head.kind} image; save it again as PNG or JPEG")


def decode_photo(path: Path, data: mmap, head: ImageHeader, longest: int) -> PixelArray:
    """Decode to [H, W] grey or [H, W, 3 or 4] BGR(A), in the stored orientation.

    A JPEG is decoded at the smallest scale that still suffices for `longest`.
    """
    pixels = decode_heif(data, head) if head.kind in ("HEIC", "AVIF") else decode_by_opencv(path, data, head, longest)
    if pixels is None:
        raise damaged_photo_error(path, head)
    if pixels.dtype.name not in WHITE_LEVELS:
        raise NotAPicture(f"{path} has samples of type {pixels.dtype}; save it with 8 or 16 bits per channel")
    return pixels


def decode_by_opencv(path: Path, data: mmap, head: ImageHeader, longest: int) -> PixelArray | None:
    """As `decode_photo`, for all but HEIC and AVIF; None if the file is damaged."""
    flags = cv2.IMREAD_UNCHANGED if head.plain else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if head.kind == "JPEG":
        flags = jpeg_reduction_flag(head, longest) | cv2.IMREAD_IGNORE_ORIENTATION
    lies = head.kind == "TIFF" and head.orientation > 1
    if lies:
        reset_tiff_orientation(data)
    try:
        with quiet_stderr(b""):
            if head.kind == "JPEG" or lies or head.height * head.width * head.held < MAX_COPIED_BYTES:
                return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            return cv2.imread(str(path), allocate_photo_buffer(head), flags)
    except (cv2.error, MemoryError):
        return None


def allocate_photo_buffer(head: ImageHeader) -> PixelArray:
    """Allocate an array for OpenCV to decode into: without one it holds the photo twice for a while."""
    kind = {1: np.uint8, 2: np.uint16, 4: np.float32, 8: np.float64}.get(head.depth, np.uint8)
    channels = () if head.channels == 1 else (head.channels,)
    return np.empty((head.height, head.width, *channels), kind)


def jpeg_reduction_flag(head: ImageHeader, longest: int) -> int:
    """OpenCV flag to decode a JPEG at 1/8, 1/4 or 1/2 of its size, which saves time and memory.

    At least twice the wanted size is decoded, so that downscaling averages several pixels.
    """
    enough = (flag for part, flag in REDUCED_JPEG_FLAGS.items() if max(head.height, head.width) >= 2 * part * longest)
    return next(enough, cv2.IMREAD_COLOR)


def scaled_photo_size(head: ImageHeader, longest: int) -> tuple[int, int]:
    """Height and width after scaling, in the stored orientation."""
    part = min(1.0, longest / max(head.height, head.width))
    return max(1, round(head.height * part)), max(1, round(head.width * part))


def shrink_photo(pixels: PixelArray, size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale to [H, W, 3 or 4] RGB(A) in [0, 1]. Transparent pixels don't contribute to averaged colours."""
    veiled = has_alpha(pixels)
    smaller = pixels.shape[:2] != size
    if smaller and veiled:
        premultiply_alpha(pixels)
    if smaller:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)
    floats = np.nan_to_num(pixels.astype(np.float32) / np.float32(WHITE_LEVELS[pixels.dtype.name])).clip(0, 1)
    if floats.ndim == 2:
        return floats[..., None].repeat(3, 2)
    if smaller and veiled:
        floats[..., :3] = (floats[..., :3] / floats[..., 3:].clip(1e-6)).clip(0, 1)
    return floats[..., [2, 1, 0, 3] if veiled else [2, 1, 0]]


def has_alpha(pixels: PixelArray) -> bool:
    """Whether some pixels are transparent. An alpha channel that is 0 everywhere is treated as meaningless."""
    if pixels.ndim == 2 or pixels.shape[2] < 4:
        return False
    alpha = pixels[..., 3]
    return float(alpha.min()) < WHITE_LEVELS[pixels.dtype.name] and float(alpha.max()) > 0


def premultiply_alpha(pixels: PixelArray) -> None:
    """Multiply colours by alpha in place, in the stored number type."""
    top = WHITE_LEVELS[pixels.dtype.name]
    for start in range(0, len(pixels), ALPHA_BAND_ROWS):
        band = pixels[start : start + ALPHA_BAND_ROWS]
        product = band[..., :3] * (band[..., 3:] / top).astype(np.float32)
        band[..., :3] = np.rint(product) if top > 1 else product


def apply_orientation(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Apply an Exif orientation, 1 to 8."""
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels
