"""Output formats by file name suffix: codecs, their settings and the sound codecs a container takes."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from motion_imitate.files import OutputError
from motion_imitate.video.gpu_codecs import NVENC_CODEC, nvenc_works

EncoderName = Literal["auto", "x264", "nvenc"]
X264_CODEC = "libx264"
# x264 at a constant quantizer this much above crf, without B-frames and adaptive quantization, which is what NVENC is
# asked for, has 0.5 dB less to 1.2 dB more PSNR than at that crf (a drifting texture, a beach, a night)
NVENC_QUANTIZER_STEP = 1
QSCALE_STEP = 118  # quality units per crf step in FFmpeg


@dataclass(frozen=True)
class Encoding:
    """Video encoder settings. A lower crf gives better quality and a larger file; slower presets (H.264 only) give
    smaller files."""

    crf: int = 18
    preset: str = "veryfast"
    keyframes: float = 2.0  # maximum seconds between keyframes
    encoder: EncoderName = "x264"  # of H.264; auto is NVENC where it works


@dataclass(frozen=True)
class PixelFormat:
    """A video codec and the pixel format it stores."""

    codec: str
    stored: str  # PyAV's pixel format name

    def options(self, how: Encoding, rate: Fraction) -> dict[str, str]:
        """FFmpeg options for the codec."""
        apart = {"g": str(max(1, round(rate * how.keyframes)))}
        if self.codec == X264_CODEC:
            return apart | {"crf": str(how.crf), "preset": how.preset}
        if self.codec == NVENC_CODEC:  # constant quality; without B-frames packets leave in the order of the frames
            apart |= {"rc": "constqp", "qp": str(min(51, how.crf + NVENC_QUANTIZER_STEP))}
            return apart | {"preset": "p4", "tune": "hq", "profile": "high", "bf": "0"}
        if self.codec == "libvpx-vp9":  # the only cpu-used at which alpha is no slower than H.264
            live = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "tile-columns": "2", "auto-alt-ref": "0"}
            return apart | live | {"crf": str(min(63, how.crf + 6)), "b": "0"}
        profile = "4444" if "a" in self.stored else "hq"
        # constant quality, six times faster than a target bit rate
        fixed = {"flags": "+qscale", "global_quality": str(max(QSCALE_STEP, how.crf * QSCALE_STEP // 4))}
        return fixed | {"profile": profile, "vendor": "apl0"}


@dataclass(frozen=True)
class ContainerFormat:
    """An output container and what goes into it."""

    name: str  # FFmpeg's name
    opaque: PixelFormat
    clear: PixelFormat | None  # for frames with alpha
    copied: frozenset[str]  # sound codecs that players accept in this container
    coded: str  # codec for all other sound
    tick: Fraction  # timestamp resolution
    muxer: dict[str, str]


FRAGMENTED_MUXER = {  # the seconds written so far survive a kill; the finished file is a plain MP4 or MOV
    # without negative_cts_offsets the video would start two frames after the sound
    "movflags": "hybrid_fragmented+negative_cts_offsets+use_metadata_tags",
    "frag_duration": "1000000",
    "flush_packets": "1",
}
OUTPUT_FORMATS = {
    ".mp4": ContainerFormat(
        name="mp4",
        opaque=PixelFormat(X264_CODEC, "yuv420p"),
        clear=None,
        copied=frozenset({"aac", "mp3", "opus"}),  # what browsers play
        coded="aac",
        tick=Fraction(1, 90000),
        muxer=FRAGMENTED_MUXER,
    ),
    ".mov": ContainerFormat(
        name="mov",
        opaque=PixelFormat("prores_ks", "yuv422p10le"),
        clear=PixelFormat("prores_ks", "yuva444p10le"),
        copied=frozenset({"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"}),
        coded="aac",
        tick=Fraction(1, 90000),
        muxer=FRAGMENTED_MUXER,
    ),
    ".webm": ContainerFormat(
        name="webm",
        opaque=PixelFormat("libvpx-vp9", "yuv420p"),
        clear=PixelFormat("libvpx-vp9", "yuva420p"),
        copied=frozenset({"opus", "vorbis"}),
        coded="libopus",
        tick=Fraction(1, 1000),
        muxer={"flush_packets": "1", "cluster_time_limit": "1000"},
    ),
}
ALPHA_SUFFIXES = tuple(suffix for suffix, format in OUTPUT_FORMATS.items() if format.clear)


def choose_container_format(path: Path) -> ContainerFormat:
    """The container format for a path's suffix; raises OutputError for an unknown suffix."""
    suffix = path.suffix.lower()
    if suffix not in OUTPUT_FORMATS:
        raise OutputError(f"{path} has no known video suffix; name a file that ends in {', '.join(OUTPUT_FORMATS)}")
    return OUTPUT_FORMATS[suffix]


def choose_pixel_format(format: ContainerFormat, channels: int, path: Path) -> PixelFormat:
    """The codec for frames of 3 or 4 channels; raises OutputError if the container cannot store alpha."""
    if channels == 3:
        return format.opaque
    if format.clear is None:
        raise OutputError(f"{path} cannot store transparency; name a file that ends in {' or '.join(ALPHA_SUFFIXES)}")
    return format.clear


def choose_h264_encoder(pixels: PixelFormat, encoder: EncoderName, size: tuple[int, int], path: Path) -> PixelFormat:
    """The same pixel format with the encoder asked for, where it is H.264; raises OutputError if NVENC is asked for and
    does not encode pictures of this height and width here."""
    if pixels.codec != X264_CODEC or encoder == "x264":
        return pixels
    if nvenc_works(size):
        return replace(pixels, codec=NVENC_CODEC)
    if encoder == "nvenc":
        raise OutputError(
            f"{path} cannot be encoded by NVENC, which does not take pictures of {size[1]}x{size[0]} on this machine; "
            "use the encoder x264"
        )
    return pixels
