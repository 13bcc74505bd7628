"""Photo, driving video and result beside each other."""

from collections.abc import Generator, Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.types import Frames, Source
from motion_imitate.video import read
from pipelines.imitate.backdrop import covered
from pipelines.imitate.driver import DRAWN, Driver
from pipelines.imitate.options import Imitating
from pipelines.motion.estimate import Watching


def together(drawn: Generator[Frames], source: Source, driver: Driver, how: Imitating) -> Iterator[Frames]:
    """The result alone, or photo, driver and result side by side."""
    if not how.side_by_side:
        yield from drawn
        return
    others: Iterator[Tensor] | None = None
    for run in drawn:
        height = run.data.shape[2]
        photo = high(source.image[0], height).expand(len(run), -1, -1, -1)
        if driver.what is None:
            yield Frames(torch.cat([photo, run.data], 3), run.seconds)
            continue
        others = driving(driver.what, height) if others is None else others
        theirs = torch.stack([next(others) for _ in range(len(run))])
        yield Frames(torch.cat([photo, theirs, run.data], 3), run.seconds)


def high(image: Float[Tensor, "3 H W"], height: int) -> UInt8[Tensor, "3 h w"]:
    size = (height, wide((image.shape[1], image.shape[2]), height))
    return (covered(image, size) * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def driving(what: Watching, height: int) -> Iterator[UInt8[Tensor, "3 h w"]]:
    """The driver's own frames."""
    size = (height, wide((what.info.height, what.info.width), height))
    return (frame for run in read(what.info.path, DRAWN, size) for frame in run.data)


def wide(size: tuple[int, int], height: int) -> int:
    return max(2, round(size[1] * height / size[0] / 2) * 2)
