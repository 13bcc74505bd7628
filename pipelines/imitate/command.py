"""`motion-imitate imitate`: photos and a clip in, a video out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic

from pipelines.device import AUTO_DEVICE
from pipelines.imitate.driver import ImitateJob
from pipelines.imitate.options import ImitateOptions, RenderOptions
from pipelines.imitate.render_video import RenderedVideo, render_video
from pipelines.motion.confidence_report import report_confidence
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError, check_output_path
from pipelines.rendering.backdrop import check_background_option
from pipelines.rendering.clothes import check_clothes_options, check_clothes_photos, clothes_files
from pipelines.rendering.clothes_options import ClothesOptions
from pipelines.rendering.encoder import check_encoder_option, is_cuda_device
from pipelines.rendering.options import allowed_suffixes, option_files
from pipelines.rendering.person import check_weights_option
from pipelines.reporter import Reporter


def run_imitate(
    photos: list[Path],
    clip: Path | None,
    out: Path,
    how: ImitateOptions,
    estimation: EstimationOptions,
    wear: ClothesOptions,
    overwrite: bool,
    reporter: Reporter,
    render: Callable[[ImitateJob, Reporter], RenderedVideo] = render_video,
) -> None:
    """Check the options, render the video, and report it."""
    inputs = [*photos, *filter(None, (clip, how.motion)), *option_files(how), *clothes_files(wear)]
    check_output_path(out, inputs, allowed_suffixes(how), overwrite)
    check_imitate_options(how, estimation)
    if how.segments is None or how.run != "ray":  # those may be encoded on another machine
        check_encoder_option(how.encoder, out)
    check_clothes_options(wear, how.renderer)
    check_clothes_photos(wear)
    if wear.clothes and how.segments is not None:
        raise UsageError("--clothes cannot be worn in --segments; leave --segments out")
    begun = monotonic()
    if how.run == "ray" and estimation.device == AUTO_DEVICE and not how.gpus_per_worker:
        estimation = replace(estimation, device="cpu")  # Ray hides GPUs from processes without a share
    job = ImitateJob(tuple(photos), clip, out, how, estimation, wear)
    made = render(job, reporter)
    report_confidence(out, made.confidence, monotonic() - begun, reporter, made.choice)


def check_imitate_options(how: ImitateOptions, estimation: EstimationOptions) -> None:
    """Raise UsageError for options that cannot work together, before anything is computed."""
    if estimation.body != "anny":
        raise UsageError(f"photos are fitted with the body anny, not {estimation.body}; leave --body out")
    if how.run == "threads" and how.gpus_per_worker:
        raise UsageError("--gpus-per-worker is an option of Ray; add --run ray, or leave it out")
    if how.run == "ray" and is_cuda_device(estimation.device) and not how.gpus_per_worker:
        raise UsageError(f"--run ray on --device {estimation.device} needs --gpus-per-worker, such as 0.25")
    check_view_options(how)
    check_weights_option(how)
    check_background_option(how.background, ("driving",))
    if how.motion is not None and how.background == "driving":
        raise UsageError(
            "--background driving needs a video, not a stored motion; give its video, or another --background"
        )
    if how.side_by_side and how.background == "alpha":
        raise UsageError("--side-by-side cannot be transparent; give another --background than alpha")


def check_view_options(how: RenderOptions) -> None:
    """Raise UsageError for options of a freeze that is not asked for."""
    if how.freeze is None and (how.sweep is not None or how.sweep_seconds is not None):
        option = "--sweep" if how.sweep is not None else "--sweep-seconds"
        raise UsageError(f"{option} needs a moment; add --freeze SECOND, or leave {option} out")
