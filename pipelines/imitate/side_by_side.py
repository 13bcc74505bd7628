"""Show the photo, the driving video and the result next to each other."""

from collections.abc import Generator, Iterator
from itertools import repeat

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.estimators.clip import OpenedClip
from motion_imitate.motion.view_path import SAME_TIME, Freeze
from motion_imitate.types import Frames, Source
from motion_imitate.video import read
from pipelines.imitate.driver import DrivingMotion, choose_freeze
from pipelines.imitate.options import ImitateOptions
from pipelines.motion.estimate import take_exactly
from pipelines.rendering.backdrop import resize_to_cover

DRIVER_RUN = 4  # frames of the driving video read at a time


def arrange_side_by_side(
    drawn: Generator[Frames], source: Source, driver: DrivingMotion, how: ImitateOptions
) -> Iterator[Frames]:
    """The result alone, or photo, driver and result side by side."""
    if not how.side_by_side:
        yield from drawn
        return
    others: Iterator[Tensor] | None = None
    for run in drawn:
        height = run.data.shape[2]
        photo = scale_to_height(source.image[0], height).expand(len(run), -1, -1, -1)
        if driver.opened is None:
            yield Frames(torch.cat([photo, run.data], 3), run.seconds)
            continue
        if others is None:
            others = read_driver_frames(driver.opened, height, choose_freeze(how, driver.rate))
        theirs = torch.stack(list(take_exactly(others, len(run))))
        yield Frames(torch.cat([photo, theirs, run.data], 3), run.seconds)


def scale_to_height(image: Float[Tensor, "3 H W"], height: int) -> UInt8[Tensor, "3 h w"]:
    """The image scaled to a height, with an even width."""
    size = (height, even_width((image.shape[1], image.shape[2]), height))
    return (resize_to_cover(image, size) * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def read_driver_frames(opened: OpenedClip, height: int, freeze: Freeze | None) -> Generator[UInt8[Tensor, "3 h w"]]:
    """The driving video's frames, scaled to a height; where the motion stops, so do they."""
    size, begin = (height, even_width((opened.info.height, opened.info.width), height)), None
    for run in read(opened.info.path, DRIVER_RUN, size):
        for second, picture in zip(run.seconds.tolist(), run.data, strict=True):
            begin = second if begin is None else begin
            yield picture
            if freeze is not None and second - begin >= freeze.second - SAME_TIME:
                yield from repeat(picture, freeze.frames)
                freeze = None


def even_width(size: tuple[int, int], height: int) -> int:
    """The even width that keeps the proportions of a size at another height."""
    return max(2, round(size[1] * height / size[0] / 2) * 2)
