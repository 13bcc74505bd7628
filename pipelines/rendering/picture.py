"""Pictures as files that say that they are synthetic."""

from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from pipelines.provenance import still_tags

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
JPEG_QUALITY = 92


def picture_suffixes(background: str) -> tuple[str, ...]:
    """Suffixes of the file that a picture with that background may go into."""
    return PICTURE_SUFFIXES[:1] if background == "alpha" else PICTURE_SUFFIXES


def to_array(picture: UInt8[Tensor, "C H W"]) -> NDArray[np.uint8]:
    """The picture with channels last."""
    return np.ascontiguousarray(picture.permute(1, 2, 0).numpy())


def encode_picture(picture: NDArray[np.uint8], suffix: str) -> bytes:
    """The picture as a PNG or a JPEG that says that it is synthetic."""
    tags, data = still_tags(), BytesIO()
    if suffix.lower() == ".png":
        texts = PngInfo()
        for name, text in tags.items():
            texts.add_text(name, text)
        Image.fromarray(picture).save(data, "PNG", pnginfo=texts)
    else:
        comment = "; ".join(f"{name}: {text}" for name, text in tags.items())
        Image.fromarray(picture).save(data, "JPEG", quality=JPEG_QUALITY, comment=comment)
    return data.getvalue()
