"""Backdrops: the photo's background, a colour, an image, a looping video, or the driving video without its person."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from math import ceil
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate as resized

from motion_imitate.background.backdrop import Backdrop, still_backdrop
from motion_imitate.background.plate import build_clean_plate, full_frame_masks
from motion_imitate.background.plate_making import PlateSettings, fit_size_within
from motion_imitate.estimators.clip import OpenedClip
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.estimators.track import Tracking
from motion_imitate.photos.read import read_photo
from motion_imitate.types import Frames, Sighting, Source, cat_batched
from motion_imitate.video import NotAVideo, VideoInfo, probe, read
from pipelines.motion.estimate import take_exactly
from pipelines.output_path import UsageError

BACKDROP_RUN = 4  # frames of a video read at a time
ANYBODY = Tracking(people=6, new_score=0.5, new_torso=0.5, new_off_mask=4, new_stable=0.3)  # rather one too many
MASK_SIDE = 480  # pixels of the longer side of people's masks
PLATE_KEYFRAMES = 48  # frames from which the background behind the driver is reconstructed


def open_backdrop(
    path: Path, size: tuple[int, int], warn: Callable[[str], None] = lambda _: None, begin: float | None = None
) -> Backdrop:
    """A backdrop from the centre of an image or video, scaled to cover (height, width).

    `send` it frames of a motion to get the frames at their times. The first `send` needs no `next`. Times must not
    decrease; the second `begin`, or the first one sent, shows the video's first frame. Raises at the call if the file
    cannot be opened.
    """
    try:
        info = probe(path)
    except NotAVideo:
        return still_backdrop(resize_to_cover(read_photo(path, 2 * max(size)).image, size))
    shown = play_video(info, size, warn, begin)
    next(shown)
    return shown


def check_backdrop_file(path: Path) -> None:
    """Raise unless the file is a video or an image."""
    try:
        probe(path)
    except NotAVideo:
        read_photo(path, 64)


def resize_to_cover(image: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """The centre of an image, scaled to cover a size."""
    large = covering_size((image.shape[1], image.shape[2]), size)
    return crop_centre(resized(image[None], large, mode="bilinear", antialias=True)[0], size)


def clean_plate_backdrop(opened: OpenedClip, seen: deque[list[Sighting]]) -> Backdrop:
    """The driving video without its person; `seen` receives everybody in each frame before it is asked for, the driver
    first."""
    shown = play_clean_plate(opened, seen)
    next(shown)
    return shown


def play_clean_plate(opened: OpenedClip, seen: deque[list[Sighting]]) -> Backdrop:
    """The generator behind `clean_plate_backdrop`."""
    motion = yield torch.empty(0, 3, *opened.size, dtype=torch.uint8)
    whole = build_clean_plate(sample_masked_frames(opened), PlateSettings(keys=PLATE_KEYFRAMES))
    with (
        closing(split_into_frames(read(opened.info.path, BACKDROP_RUN, opened.size))) as frames,
        closing(pop_sightings(seen)) as known,
    ):
        while True:
            some = cat_batched(list(take_exactly(frames, len(motion))))
            people = [next(known) for _ in range(len(motion))]
            masks, others = (
                torch.cat([join_masks(row, opened.size) for row in rows])
                for rows in ([row[:1] for row in people], [row[1:] for row in people])
            )
            motion = yield whole.remove_person(some, masks, others)[0].data


def sample_masked_frames(opened: OpenedClip) -> Iterator[tuple[Frames, UInt8[Tensor, "1 h w"]]]:
    """Frames spread over the clip, each with the mask of all people in it."""
    every = ceil((opened.info.frames or 10 * PLATE_KEYFRAMES) / PLATE_KEYFRAMES)
    look = LandmarkEstimator(Landmarking(tracking=ANYBODY, device=opened.how.device, threads=opened.how.threads))
    for number, frame in enumerate(
        split_into_frames(read(opened.info.path, BACKDROP_RUN, opened.size, warn=opened.warn))
    ):
        if number % every == 0:
            yield frame, join_masks(look(frame), opened.size)


def join_masks(people: Sequence[Sighting], size: tuple[int, int]) -> UInt8[Tensor, "1 h w"]:
    """The mask of all people in a frame of (height, width), scaled down."""
    nobody = torch.zeros(1, *fit_size_within(size, MASK_SIDE), dtype=torch.uint8)
    return torch.stack([nobody, *(full_frame_masks(one, size, MASK_SIDE) for one in people)]).amax(0)


def split_into_frames(runs: Iterable[Frames]) -> Generator[Frames]:
    """The frames of all runs, one at a time."""
    for run in runs:
        for t in range(len(run)):
            yield run[t : t + 1]


def pop_sightings(seen: deque[list[Sighting]]) -> Generator[list[Sighting]]:
    """Take runs out of the queue and yield their people one frame at a time."""
    while True:
        people = seen.popleft()
        for t in range(len(people[0])):
            yield [one[t : t + 1] for one in people]


def play_video(info: VideoInfo, size: tuple[int, int], warn: Callable[[str], None], begin: float | None) -> Backdrop:
    """The generator behind a video backdrop: the frame that is shown at each time, looping."""
    large = covering_size((info.height, info.width), size)
    with closing(loop_video(info, large, warn)) as coming:
        now, following = next(coming), next(coming)
        motion = yield crop_centre(now[1], size)[None]
        begin = float(motion.seconds[0]) if begin is None else begin
        while True:
            shown = []
            for second in (motion.seconds - begin).tolist():
                while following[0] <= second + 1e-4:
                    now, following = following, next(coming)
                shown.append(crop_centre(now[1], size))
            motion = yield torch.stack(shown)


def loop_video(
    info: VideoInfo, size: tuple[int, int], warn: Callable[[str], None]
) -> Generator[tuple[float, UInt8[Tensor, "3 H W"]]]:
    """The video's frames in an endless loop, each with its seconds since the first start."""
    begin, step = 0.0, float(1 / info.rate)
    while True:
        last = 0.0
        for run in read(info.path, BACKDROP_RUN, size, warn=warn):
            for second, picture in zip(run.seconds.tolist(), run.data, strict=True):
                last = second
                yield begin + second, picture
        begin += last + step


def covering_size(size: tuple[int, int], least: tuple[int, int]) -> tuple[int, int]:
    """The smallest height and width of the same proportions that cover `least`."""
    scale = max(least[0] / size[0], least[1] / size[1])
    return max(least[0], round(size[0] * scale)), max(least[1], round(size[1] * scale))


def crop_centre(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop the centre of an image."""
    top, left = (image.shape[-2] - size[0]) // 2, (image.shape[-1] - size[1]) // 2
    return image[..., top : top + size[0], left : left + size[1]]


def choose_backdrop(
    background: str, source: Source, warn: Callable[[str], None], begin: float | None = None
) -> Backdrop:
    """The backdrop that the option --background asks for, other than driving; a video begins at second `begin`."""
    size = (source.image.shape[2], source.image.shape[3])
    if background in NAMED_BACKDROPS:
        return NAMED_BACKDROPS[background](source)
    if background.startswith("#"):
        return still_backdrop(parse_hex_colour(background)[:, None, None].expand(-1, *size))
    return open_backdrop(Path(background), size, warn, begin)


NAMED_BACKDROPS: dict[str, Callable[[Source], Backdrop]] = {
    "photo": lambda source: still_backdrop(source.background[0]),
    "alpha": lambda source: still_backdrop(torch.zeros(4, *source.image.shape[2:])),
}


def check_background_option(background: str, more: Sequence[str] = ()) -> None:
    """Raise UsageError unless --background is a name in the table or in `more`, a colour, or a readable file."""
    named = (*NAMED_BACKDROPS, *more)
    if background.startswith("#"):
        parse_hex_colour(background)
    elif background not in named and not Path(background).is_file():
        raise UsageError(f"no file {background}; --background is {', '.join(named)}, #RRGGBB or the path of a file")
    elif background not in named:
        check_backdrop_file(Path(background))


def parse_hex_colour(background: str) -> Float[Tensor, "3"]:
    """Red, green and blue from 0 to 1 of a colour written as #RRGGBB."""
    digits = background.removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise UsageError(f"{background!r} is not a colour; write it as #RRGGBB, such as #00FF00") from None
    return torch.tensor([red, green, blue]) / 255
