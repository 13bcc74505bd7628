"""Photos read from files, however they were stored: upright, RGB, no larger than wanted."""

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

from motion_imitate.photos.headers import Data, Head, NotAPicture, head_of, mapped, unturned
from motion_imitate.quiet_stderr import hushed

__all__ = ["NotAPicture", "Picture", "opened", "stored_size", "upright_size"]

PIXELS = 110_000_000  # of a picture that is opened
ROOM = 600_000_000  # bytes that unpacking it may take
EASY = 200_000_000  # bytes from which on nothing is held twice
BAND = 256  # rows that are weighted at a time
REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
TOPS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0, "float64": 1.0}  # what white is stored as

Pixels = NDArray[Any]  # of whole or floating numbers


@dataclass(frozen=True)
class Picture:
    image: Float[Tensor, "3 H W"]
    alpha: Float[Tensor, "1 H W"] | None  # straight; None if the picture is opaque throughout


def opened(path: Path, longest: int) -> Picture:
    """A photo as it is meant to be seen, its longer side at most `longest` pixels."""
    with mapped(path) as data:
        head = accepted(path, data)
        stored = unpacked(path, data, head, longest)
    seen = upright(shrunk(stored, scaled(head, longest)), head.orientation)
    held = torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1)))
    return Picture(held[:3], held[3:] if len(held) == 4 else None)


def upright_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as it is meant to be seen; it is opened, so it is whole."""
    with mapped(path) as data:
        head = accepted(path, data)
        unpacked(path, data, head, 1)
    return (head.width, head.height) if head.orientation > 4 else (head.height, head.width)


def stored_size(path: Path) -> tuple[int, int]:
    with mapped(path) as data:
        head = head_of(path, data)
    return head.height, head.width


def accepted(path: Path, data: Data) -> Head:
    head = head_of(path, data)
    pixels = head.height * head.width
    if pixels > PIXELS:
        size = f"{head.width}x{head.height}"
        raise NotAPicture(f"{path} has {size} pixels and at most {PIXELS // 10**6} million can be taken; scale it down")
    if pixels * head.held > ROOM:
        raise NotAPicture(
            f"{path} takes {pixels * head.held / 1e6:.0f} MB unpacked, and at most {ROOM // 10**6} can be given; "
            "scale it down, or save it as a JPEG that is not progressive"
        )
    if not head.whole:
        raise damaged(path, head)
    return head


def damaged(path: Path, head: Head) -> NotAPicture:
    return NotAPicture(f"{path} is a damaged {head.kind} picture, or one that breaks off; save it anew as PNG or JPEG")


def unpacked(path: Path, data: mmap, head: Head, longest: int) -> Pixels:
    """[H, W] grey or [H, W, 3 or 4] BGR(A) as stored, turned as stored; a JPEG at the least size that is enough."""
    flags = cv2.IMREAD_UNCHANGED if head.plain else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if head.kind == "JPEG":
        flags = reduction(head, longest) | cv2.IMREAD_IGNORE_ORIENTATION
    lies = head.kind == "TIFF" and head.orientation > 1
    if lies:
        unturned(data)
    try:
        with hushed(b""):
            if head.kind == "JPEG" or lies or head.height * head.width * head.held < EASY:
                pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            else:
                pixels = cv2.imread(str(path), room(head), flags)
    except (cv2.error, MemoryError):
        pixels = None
    if pixels is None:
        raise damaged(path, head)
    if pixels.dtype.name not in TOPS:
        raise NotAPicture(f"{path} holds numbers of the kind {pixels.dtype}; save it with 8 or 16 bits a channel")
    return pixels


def room(head: Head) -> Pixels:
    """Where OpenCV puts the picture if it fits: otherwise it is held twice for a while."""
    kind = {1: np.uint8, 2: np.uint16, 4: np.float32, 8: np.float64}.get(head.depth, np.uint8)
    channels = () if head.channels == 1 else (head.channels,)
    return np.empty((head.height, head.width, *channels), kind)


def reduction(head: Head, longest: int) -> int:
    """A JPEG unpacks to an eighth, a quarter or a half of its size in a fraction of the time and room.

    Still to twice the size that is wanted, so that the rest is a mean over several pixels.
    """
    enough = (flag for part, flag in REDUCED.items() if max(head.height, head.width) >= 2 * part * longest)
    return next(enough, cv2.IMREAD_COLOR)


def scaled(head: Head, longest: int) -> tuple[int, int]:
    """Height and width, still as stored."""
    part = min(1.0, longest / max(head.height, head.width))
    return max(1, round(head.height * part)), max(1, round(head.width * part))


def shrunk(pixels: Pixels, size: tuple[int, int]) -> NDArray[np.float32]:
    """[H, W, 3 or 4] RGB(A) in [0, 1]. Colours that cannot be seen take no part in the mean."""
    veiled = has_alpha(pixels)
    smaller = pixels.shape[:2] != size
    if smaller and veiled:
        weight(pixels)
    if smaller:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)
    floats = np.nan_to_num(pixels.astype(np.float32) / np.float32(TOPS[pixels.dtype.name])).clip(0, 1)
    if floats.ndim == 2:
        return floats[..., None].repeat(3, 2)
    if smaller and veiled:
        floats[..., :3] = (floats[..., :3] / floats[..., 3:].clip(1e-6)).clip(0, 1)
    return floats[..., [2, 1, 0, 3] if veiled else [2, 1, 0]]


def has_alpha(pixels: Pixels) -> bool:
    """Whether something can be seen through; nothing to be seen at all is taken for a channel that means nothing."""
    if pixels.ndim == 2 or pixels.shape[2] < 4:
        return False
    alpha = pixels[..., 3]
    return float(alpha.min()) < TOPS[pixels.dtype.name] and float(alpha.max()) > 0


def weight(pixels: Pixels) -> None:
    """Multiplies colours by alpha in place: a rounding no coarser than where the picture is shown."""
    top = TOPS[pixels.dtype.name]
    for start in range(0, len(pixels), BAND):
        band = pixels[start : start + BAND]
        product = band[..., :3] * (band[..., 3:] / top).astype(np.float32)
        band[..., :3] = np.rint(product) if top > 1 else product


def upright(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels
