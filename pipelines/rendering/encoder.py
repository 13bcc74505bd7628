"""Which encoder writes the video, by --encoder and --device."""

from pathlib import Path

from motion_imitate.video import EncoderName, nvenc_works
from pipelines.output_path import UsageError


def choose_encoder(asked: EncoderName, device: str) -> EncoderName:
    """The encoder to write with. Unasked, NVENC is tried only where frames are computed on a GPU: whether it makes a
    whole run faster has not been measured."""
    return "x264" if asked == "auto" and not is_cuda_device(device) else asked


def is_cuda_device(device: str) -> bool:
    """Whether a device's name is that of an NVIDIA GPU."""
    return device.partition(":")[0] == "cuda"


def settle_encoder(asked: EncoderName, device: str, elsewhere: bool) -> EncoderName:
    """One encoder for all parts of a video, which are joined as they are; x264 for auto if they are encoded elsewhere,
    where not every machine may have NVENC."""
    chosen = choose_encoder(asked, device)
    return chosen if chosen != "auto" else "nvenc" if not elsewhere and nvenc_works() else "x264"


def check_encoder_option(asked: EncoderName, out: Path | None = None) -> None:
    """Raise UsageError if NVENC is asked for and does not work here, or not for the file."""
    if asked != "nvenc":
        return
    if out is not None and out.suffix.lower() != ".mp4":
        raise UsageError(f"--encoder nvenc writes .mp4 files, not {out.name}; rename it, or leave --encoder out")
    if not nvenc_works():
        raise UsageError("--encoder nvenc needs an NVIDIA GPU that encodes, and none does here; choose auto or x264")
