"""What the person stands before, frame by frame: a still picture, or a video that begins anew when it is over."""

from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.pictures import opened
from motion_imitate.video import Info, NotAVideo, probe, read

RUN = 4  # frames of a video that are read at a time

Times = Float[Tensor, " T"]
Backdrop = Generator[UInt8[Tensor, "T 3 H W"], Times, None]


def backdrop(path: Path, size: tuple[int, int], warn: Callable[[str], None] = lambda _: None) -> Backdrop:
    """The middle of a picture or video, as large as covers (height, width): `send` seconds, get pictures of then.

    Begun already: the first `send` needs no `next`. Seconds may not go back; the first of them is the video's first
    picture. What cannot be opened is refused at the call.
    """
    try:
        info = probe(path)
    except NotAVideo:
        shown = still(path, size)
    else:
        shown = playing(info, size, warn)
    next(shown)
    return shown


def still(path: Path, size: tuple[int, int]) -> Backdrop:
    image = opened(path, 2 * max(size)).image
    large = covering((image.shape[1], image.shape[2]), size)
    whole = resized(image[None], large, mode="bilinear", antialias=True)[0]
    picture = (middle(whole, size) * 255 + 0.5).clamp(0, 255).to(torch.uint8)
    seconds = yield picture[None]
    while True:
        seconds = yield picture.expand(len(seconds), -1, -1, -1)


def playing(info: Info, size: tuple[int, int], warn: Callable[[str], None]) -> Backdrop:
    large = covering((info.height, info.width), size)
    with closing(endless(info, large, warn)) as coming:
        now, following = next(coming), next(coming)
        seconds = yield middle(now[1], size)[None]
        begin = float(seconds[0])
        while True:
            shown = []
            for second in (seconds - begin).tolist():
                while following[0] <= second + 1e-4:
                    now, following = following, next(coming)
                shown.append(middle(now[1], size))
            seconds = yield torch.stack(shown)


def endless(
    info: Info, size: tuple[int, int], warn: Callable[[str], None]
) -> Generator[tuple[float, UInt8[Tensor, "3 H W"]]]:
    """The video's pictures over and over, each with its second since the first."""
    begin, step = 0.0, float(1 / info.rate)
    while True:
        last = 0.0
        for run in read(info.path, RUN, size, warn=warn):
            for second, picture in zip(run.seconds.tolist(), run.data, strict=True):
                last = second
                yield begin + second, picture
        begin += last + step


def covering(size: tuple[int, int], least: tuple[int, int]) -> tuple[int, int]:
    """Height and width in the same proportion that cover another size."""
    scale = max(least[0] / size[0], least[1] / size[1])
    return max(least[0], round(size[0] * scale)), max(least[1], round(size[1] * scale))


def middle(image: Tensor, size: tuple[int, int]) -> Tensor:
    top, left = (image.shape[-2] - size[0]) // 2, (image.shape[-1] - size[1]) // 2
    return image[..., top : top + size[0], left : left + size[1]]
