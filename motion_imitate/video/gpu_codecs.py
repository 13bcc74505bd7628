"""NVENC and NVDEC, the video encoder and decoder of NVIDIA GPUs, each found to work by trying it."""

from contextlib import suppress
from fractions import Fraction
from functools import cache
from typing import cast

import av
from av.codec import Codec
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

NVENC_CODEC = "h264_nvenc"
PROBE_SIZE = (240, 320)  # height and width of a picture that every NVENC takes
TRIAL_FAULTS = (av.FFmpegError, NotImplementedError, OSError, ValueError)  # of a codec that is not there or not usable


@cache  # for each size once per process
def nvenc_works(size: tuple[int, int] = PROBE_SIZE) -> bool:
    """Whether NVENC encodes a picture of this height and width here: there is a GPU with the encoder, its driver fits,
    and the size is in its range."""
    with suppress(*TRIAL_FAULTS):
        encoder = cast(VideoCodecContext, VideoCodecContext.create(NVENC_CODEC, "w"))
        encoder.height, encoder.width, encoder.pix_fmt = *size, "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, 30), Fraction(30)
        picture = VideoFrame(size[1], size[0], "yuv420p")
        picture.pts, picture.time_base = 0, encoder.time_base
        return bool([*encoder.encode(picture), *encoder.encode(None)])
    return False


@cache  # once per process
def nvdec_works() -> bool:
    """Whether a CUDA device for decoding can be opened here."""
    with suppress(*TRIAL_FAULTS):
        nvdec_acceleration().create(Codec("h264", "r"))
        return True
    return False


def nvdec_acceleration() -> HWAccel:
    """How to open a container for NVDEC; streams that it cannot decode are decoded by the CPU."""
    return HWAccel("cuda", allow_software_fallback=True)
