"""Convert photos with an embedded colour profile, such as Display P3, to sRGB."""

import zlib
from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image, ImageCms

SAME_COLOUR = 2  # largest difference, of 255, of a profile that counts as sRGB
PROBE_LEVELS = np.linspace(0, 255, 9).astype(np.uint8)
MAX_PROFILE_BYTES = 10_000_000


def convert_to_srgb(picture: Float[ndarray, "H W C"], profile: bytes) -> Float[ndarray, "H W C"]:
    """Convert the colours of an RGB(A) picture in [0, 1]. Profiles that are damaged, or not of RGB, are ignored."""
    probe = np.stack(np.meshgrid(PROBE_LEVELS, PROBE_LEVELS, PROBE_LEVELS), -1).reshape(9, 81, 3)
    change = profile_change(probe, profile)
    if change is None or np.abs(change).max() <= SAME_COLOUR:
        return picture
    change = profile_change((picture[..., :3] * 255 + 0.5).astype(np.uint8), profile)
    assert change is not None
    shown = (picture[..., :3] + change / np.float32(255)).clip(0, 1)
    return np.concatenate([shown, picture[..., 3:]], 2)


def profile_change(picture: UInt8[ndarray, "H W 3"], profile: bytes) -> Float[ndarray, "H W 3"] | None:
    """How much each colour changes when it is converted to sRGB; None if the profile cannot be used."""
    try:
        given = ImageCms.ImageCmsProfile(BytesIO(profile))
        shown = ImageCms.profileToProfile(Image.fromarray(picture), given, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if shown is None else np.asarray(shown, np.float32) - picture


def unpack_png_profile(chunk: bytes) -> bytes:
    """The profile in a PNG's iCCP chunk; empty if it is damaged."""
    packed = chunk.partition(b"\0")[2][1:]
    try:
        return zlib.decompressobj().decompress(packed, MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
