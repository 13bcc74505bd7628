"""What the person stands before, frame by frame: a still picture; a video that begins anew when it is over; or the
driving video without its own person."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.background.plate import masks_of, plate
from motion_imitate.background.plate_making import Plating
from motion_imitate.estimators.landmarks import Landmarking, Landmarks
from motion_imitate.photos.read import opened
from motion_imitate.types import Frames, Sighting, Source, cat
from motion_imitate.video import Info, NotAVideo, probe, read
from pipelines.imitate.driver import Driver
from pipelines.motion.estimate import Watching
from pipelines.output_path import Refused
from pipelines.reporter import Talk

RUN = 4  # frames of a video that are read at a time
KEYS = 48  # frames from which it is learnt what the driver hides

Times = Float[Tensor, " T"]
Backdrop = Generator[UInt8[Tensor, "T C H W"], Times, None]


def backdrop(path: Path, size: tuple[int, int], warn: Callable[[str], None] = lambda _: None) -> Backdrop:
    """The middle of a picture or video, as large as covers (height, width): `send` seconds, get pictures of then.

    Begun already: the first `send` needs no `next`. Seconds may not go back; the first of them is the video's first
    picture. What cannot be opened is refused at the call.
    """
    try:
        info = probe(path)
    except NotAVideo:
        return still(covered(opened(path, 2 * max(size)).image, size))
    shown = playing(info, size, warn)
    next(shown)
    return shown


def readable(path: Path) -> None:
    """Refuses what is neither a video nor a picture."""
    try:
        probe(path)
    except NotAVideo:
        opened(path, 64)


def covered(image: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """The middle of a picture, as large as covers a size."""
    large = covering((image.shape[1], image.shape[2]), size)
    return middle(resized(image[None], large, mode="bilinear", antialias=True)[0], size)


def still(image: Float[Tensor, "C H W"]) -> Backdrop:
    """The same picture at all times."""
    whole = (image[None] * 255 + 0.5).clamp(0, 255).to(torch.uint8)
    shown = repeating(whole.contiguous(memory_format=torch.channels_last)[0])  # as pictures are drawn: quick to copy
    next(shown)
    return shown


def repeating(picture: UInt8[Tensor, "C H W"]) -> Backdrop:
    seconds = yield picture[None]
    while True:
        seconds = yield picture.expand(len(seconds), -1, -1, -1)


def emptied(what: Watching, seen: deque[Sighting]) -> Backdrop:
    """The clip itself without the person: `seen` has, in good time, what is known of each of its frames."""
    shown = emptying(what, seen)
    next(shown)
    return shown


def emptying(what: Watching, seen: deque[Sighting]) -> Backdrop:
    seconds = yield torch.empty(0, 3, *what.size, dtype=torch.uint8)
    whole = plate(samples(what), Plating(keys=KEYS))
    with closing(singly(read(what.info.path, RUN, what.size))) as frames, closing(one_by_one(seen)) as known:
        while True:
            some = cat([next(frames) for _ in range(len(seconds))])
            masks = masks_of(cat([next(known) for _ in range(len(seconds))]), what.size)
            seconds = yield whole.behind(some, masks)[0].data


def samples(what: Watching) -> Iterator[tuple[Frames, UInt8[Tensor, "1 h w"]]]:
    """Frames spread over the clip, and where anybody is in them."""
    every = max(1, (what.info.frames or 10 * KEYS) // KEYS)
    look = Landmarks(Landmarking(device=what.seeing.device, threads=what.seeing.threads))
    for number, frame in enumerate(singly(read(what.info.path, RUN, what.size, warn=what.warn))):
        if number % every == 0:
            people = [masks_of(one, what.size) for one in look(frame)]
            yield frame, torch.stack(people).amax(0)


def singly(runs: Iterable[Frames]) -> Generator[Frames]:
    for run in runs:
        for t in range(len(run)):
            yield run[t : t + 1]


def one_by_one(seen: deque[Sighting]) -> Generator[Sighting]:
    while True:
        run = seen.popleft()
        for t in range(len(run)):
            yield run[t : t + 1]


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


def behind(wish: str, source: Source, driver: Driver, talk: Talk) -> Backdrop:
    """What the person stands before."""
    size = (source.image.shape[2], source.image.shape[3])
    if wish == "photo":
        return still(source.background[0])
    if wish == "driving":
        assert driver.what is not None
        return emptied(driver.what, driver.seen)
    if wish == "alpha":
        return still(torch.zeros(4, *size))
    if wish.startswith("#"):
        return still(colour(wish)[:, None, None].expand(-1, *size))
    return backdrop(Path(wish), size, talk.warn)


def colour(wish: str) -> Float[Tensor, "3"]:
    digits = wish.removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise Refused(f"{wish!r} is no colour; write it as #RRGGBB, such as #00FF00") from None
    return torch.tensor([red, green, blue]) / 255
