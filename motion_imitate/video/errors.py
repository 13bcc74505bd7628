"""Video errors, and the limits on what is decoded."""

from collections.abc import Callable
from dataclasses import dataclass


class VideoError(Exception):
    """Base class of all video errors. The message is one sentence that says what to do."""


class NotAVideo(VideoError):
    """The path is not a video file, or the video cannot be opened."""


class NoVideoStream(VideoError):
    """The file opens but has no video stream that can be decoded."""


class NoFrames(VideoError):
    """There is a video stream, but no frame can be decoded from it."""


class Damaged(VideoError):
    """More of the video is missing or unreadable than the limits allow."""


class TooLarge(VideoError):
    """The video has more pixels or lasts longer than the limits allow."""


@dataclass(frozen=True)
class Limits:
    """How large, long or damaged a video may be before it is refused."""

    pixels: int = 4096 * 4096  # per frame
    seconds: float = 4 * 3600
    damage: float = 0.1  # share of the packets that may be unreadable
    strict: bool = False  # raise an error for a cut-off or damaged file instead of a warning


def ignore_warning(warning: str) -> None:
    """Discard a warning."""


def warn_once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Wrap `warn` so that it drops messages it has already passed on."""
    said: set[str] = set()

    def say(warning: str) -> None:
        if warning not in said:
            said.add(warning)
            warn(warning)

    return say
