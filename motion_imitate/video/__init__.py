"""Read, write, probe and join video files. Only this package imports PyAV."""

from motion_imitate.files import OutputError
from motion_imitate.video.errors import Damaged, Limits, NoFrames, NotAVideo, NoVideoStream, TooLarge, VideoError
from motion_imitate.video.formats import EncoderName, Encoding
from motion_imitate.video.gpu_codecs import nvdec_works, nvenc_works
from motion_imitate.video.joining import join
from motion_imitate.video.probing import VideoInfo, probe
from motion_imitate.video.reading import read
from motion_imitate.video.sound import SoundPause
from motion_imitate.video.writing import write

__all__ = [
    "Damaged",
    "EncoderName",
    "Encoding",
    "Limits",
    "NoFrames",
    "NoVideoStream",
    "NotAVideo",
    "OutputError",
    "SoundPause",
    "TooLarge",
    "VideoError",
    "VideoInfo",
    "join",
    "nvdec_works",
    "nvenc_works",
    "probe",
    "read",
    "write",
]
