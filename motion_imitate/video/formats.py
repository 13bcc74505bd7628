"""What a file name's suffix means for what is written: codecs, their settings, and the sound beside them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from motion_imitate.files import OutputError

LAMBDA = 118  # in which FFmpeg counts one step of quality


@dataclass(frozen=True)
class Encoding:
    """A lower crf is better and bigger; slower presets, of H.264 only, are smaller."""

    crf: int = 18
    preset: str = "veryfast"
    keyframes: float = 2.0  # seconds from one to the next, at most


@dataclass(frozen=True)
class Pixels:
    codec: str
    stored: str  # PyAV's name of how pixels are stored

    def options(self, how: Encoding, rate: Fraction) -> dict[str, str]:
        apart = {"g": str(max(1, round(rate * how.keyframes)))}
        if self.codec == "libx264":
            return apart | {"crf": str(how.crf), "preset": how.preset}
        if self.codec == "libvpx-vp9":  # the only cpu-used at which transparency is no slower than H.264
            live = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "tile-columns": "2", "auto-alt-ref": "0"}
            return apart | live | {"crf": str(min(63, how.crf + 6)), "b": "0"}
        profile = "4444" if "a" in self.stored else "hq"
        # by one quality throughout, six times faster than by a rate
        fixed = {"flags": "+qscale", "global_quality": str(max(LAMBDA, how.crf * LAMBDA // 4))}
        return fixed | {"profile": profile, "vendor": "apl0"}


@dataclass(frozen=True)
class Format:
    name: str  # FFmpeg's
    opaque: Pixels
    clear: Pixels | None  # for pictures that can be seen through
    copied: frozenset[str]  # codecs of sound that players take in it
    coded: str  # what other sound becomes
    tick: Fraction  # the finest step of time
    muxer: dict[str, str]


BOXES = {  # finished seconds survive a kill; at the end it becomes a plain MP4 or MOV
    # without negative_cts_offsets the pictures would start two frames after the sound
    "movflags": "hybrid_fragmented+negative_cts_offsets+use_metadata_tags",
    "frag_duration": "1000000",
    "flush_packets": "1",
}
FORMATS = {
    ".mp4": Format(
        name="mp4",
        opaque=Pixels("libx264", "yuv420p"),
        clear=None,
        copied=frozenset({"aac", "mp3", "opus"}),  # what browsers play
        coded="aac",
        tick=Fraction(1, 90000),
        muxer=BOXES,
    ),
    ".mov": Format(
        name="mov",
        opaque=Pixels("prores_ks", "yuv422p10le"),
        clear=Pixels("prores_ks", "yuva444p10le"),
        copied=frozenset({"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"}),
        coded="aac",
        tick=Fraction(1, 90000),
        muxer=BOXES,
    ),
    ".webm": Format(
        name="webm",
        opaque=Pixels("libvpx-vp9", "yuv420p"),
        clear=Pixels("libvpx-vp9", "yuva420p"),
        copied=frozenset({"opus", "vorbis"}),
        coded="libopus",
        tick=Fraction(1, 1000),
        muxer={"flush_packets": "1", "cluster_time_limit": "1000"},
    ),
}
CLEAR = tuple(suffix for suffix, format in FORMATS.items() if format.clear)


def format_of(path: Path) -> Format:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise OutputError(f"{path} would be a video of an unknown kind; let its name end in {', '.join(FORMATS)}")
    return FORMATS[suffix]


def pixels_of(format: Format, channels: int, path: Path) -> Pixels:
    if channels == 3:
        return format.opaque
    if format.clear is None:
        raise OutputError(
            f"{path} cannot hold pictures that can be seen through; let its name end in {' or '.join(CLEAR)}"
        )
    return format.clear
