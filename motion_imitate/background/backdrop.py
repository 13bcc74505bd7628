"""What is behind the person, as a generator of frames for given frames of the motion: their times and cameras."""

from collections.abc import Generator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.types import Motion

Backdrop = Generator[UInt8[Tensor, "T C H W"], Motion, None]


def still_backdrop(image: Float[Tensor, "C H W"]) -> Backdrop:
    """A backdrop that shows the same image at all times."""
    whole = (image[None] * 255 + 0.5).clamp(0, 255).to(torch.uint8)
    shown = repeat_image(
        whole.contiguous(memory_format=torch.channels_last)[0]
    )  # the layout of rendered frames: fast to copy
    next(shown)
    return shown


def repeat_image(picture: UInt8[Tensor, "C H W"]) -> Backdrop:
    """The generator behind `still_backdrop`."""
    motion = yield picture[None]
    while True:
        motion = yield picture.expand(len(motion), -1, -1, -1)
