"""Videos in and out. Only this package knows PyAV."""

from motion_imitate.files import OutputError
from motion_imitate.video.errors import Damaged, Limits, NoFrames, NotAVideo, NoVideoStream, TooLarge, VideoError
from motion_imitate.video.formats import Encoding
from motion_imitate.video.joining import join
from motion_imitate.video.probing import Info, probe
from motion_imitate.video.reading import read
from motion_imitate.video.writing import write

__all__ = [
    "Damaged",
    "Encoding",
    "Info",
    "Limits",
    "NoFrames",
    "NoVideoStream",
    "NotAVideo",
    "OutputError",
    "TooLarge",
    "VideoError",
    "join",
    "probe",
    "read",
    "write",
]
