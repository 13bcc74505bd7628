"""HEIC photos, as phones make them, by libheif; AVIF by Pillow.

Both apply to the primary image, upright as libheif returns it: the file's own rotation counts, and Exif, which
repeats it, doesn't.
"""

from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image

from motion_imitate.heif_brands import still_image_kind
from motion_imitate.photos.image_header import ImageBytes, ImageHeader
from motion_imitate.video.wide_colour import convert_to_bt709, needs_colour_table

HEIC_BYTES_PER_PIXEL = 5  # that decoding takes, for each byte of a sample
AVIF_BYTES_PER_PIXEL = 10
ORIENTATION_TAG = 274  # of Exif, which Pillow sets to the rotation of the file


def read_heif_header(data: ImageBytes) -> ImageHeader | None:
    """Size and decoding memory of the primary image; None if the file is no HEIC or AVIF."""
    kind = still_image_kind(data)
    if kind is None:
        return None
    try:
        return read_avif_header(data) if kind == "AVIF" else read_heic_header(data)
    except (ValueError, SyntaxError, OSError, EOFError, RuntimeError, IndexError):
        return ImageHeader(kind, 1, 1, whole=False)


def read_heic_header(data: ImageBytes) -> ImageHeader:
    """The header of a HEIC."""
    image = primary_image(data)
    width, height = image.size
    depth = 2 if image.info["bit_depth"] > 8 else 1
    profile = image.info.get("icc_profile") or b""
    return ImageHeader("HEIC", height, width, depth=depth, held=HEIC_BYTES_PER_PIXEL * depth, profile=profile)


def read_avif_header(data: ImageBytes) -> ImageHeader:
    """The header of an AVIF."""
    with AvifImagePlugin.AvifImageFile(BytesIO(bytes(data))) as image:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
        profile = image.info.get("icc_profile") or b""
        return ImageHeader(
            "AVIF",
            image.height,
            image.width,
            orientation=orientation if orientation in range(1, 9) else 1,
            held=AVIF_BYTES_PER_PIXEL,
            profile=profile,
        )


def primary_image(data: ImageBytes) -> Any:
    """The image of a HEIC that viewers show, not yet decoded: of a burst or a sequence, the first or the chosen one."""
    file = pillow_heif.open_heif(bytes(data), convert_hdr_to_8bit=False)
    return file[file.primary_index]


def decode_heif(data: ImageBytes, head: ImageHeader) -> NDArray[Any] | None:
    """Decode to [H, W] grey or [H, W, 3 or 4] BGR(A), as `head` was read; None if the file is damaged."""
    try:
        pixels = decode_avif(data) if head.kind == "AVIF" else decode_heic(data)
    except (ValueError, SyntaxError, OSError, EOFError, RuntimeError, IndexError):
        return None
    if pixels.ndim == 2:
        return pixels
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def decode_heic(data: ImageBytes) -> NDArray[Any]:
    """RGB(A) of a HEIC's primary image; HDR is tone-mapped."""
    image = primary_image(data)
    pixels, tags = np.asarray(image), image.info.get("nclx_profile") or {}
    colours = tags.get("color_primaries", 1), tags.get("transfer_characteristics", 1)
    if pixels.ndim == 2 or "icc_profile" in image.info or not needs_colour_table(*colours):
        return pixels
    deep = pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * 257
    shown = convert_to_bt709(deep[..., :3], *colours)
    return np.concatenate([shown, (deep[..., 3:] >> 8).astype(np.uint8)], 2)


def decode_avif(data: ImageBytes) -> NDArray[Any]:
    """RGB(A) of an AVIF's first image."""
    with AvifImagePlugin.AvifImageFile(BytesIO(bytes(data))) as image:
        return np.asarray(image if image.mode in ("L", "RGB", "RGBA") else Image.Image.convert(image, "RGB"))
