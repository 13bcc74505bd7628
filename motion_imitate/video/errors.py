"""What can be wrong with a video, and how much of a video is taken on."""

from collections.abc import Callable
from dataclasses import dataclass


class VideoError(Exception):
    """Anything wrong with a video, in or out: one sentence that says what to do."""


class NotAVideo(VideoError):
    """The path leads to something else, or to a video that cannot be opened."""


class NoVideoStream(VideoError):
    """The file opens, but nothing in it can be seen."""


class NoFrames(VideoError):
    """There is a video stream, and not one frame comes out of it."""


class Damaged(VideoError):
    """More is missing or unreadable than was allowed."""


class TooLarge(VideoError):
    """More pixels or more seconds than was allowed."""


@dataclass(frozen=True)
class Limits:
    pixels: int = 4096 * 4096  # of one frame
    seconds: float = 4 * 3600
    damage: float = 0.1  # share of the packets that may be unreadable
    strict: bool = False  # a cut-off or damaged file is then an error, otherwise a warning


def ignored(warning: str) -> None:
    """For those who do not want to hear."""


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """`warn`, but never twice with the same words."""
    said: set[str] = set()

    def say(warning: str) -> None:
        if warning not in said:
            said.add(warning)
            warn(warning)

    return say
