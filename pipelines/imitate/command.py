"""`motion-imitate imitate`: photos and a clip in, a video out."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from torch import Tensor

from motion_imitate.generators.load import load_trained_networks
from pipelines.imitate.driver import ImitateJob
from pipelines.imitate.options import ImitateOptions
from pipelines.imitate.render_video import render_video
from pipelines.motion.confidence_report import report_confidence
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError, check_output_path
from pipelines.rendering.backdrop import check_background_option
from pipelines.rendering.options import allowed_suffixes
from pipelines.reporter import Reporter


def run_imitate(
    photos: list[Path],
    clip: Path | None,
    out: Path,
    how: ImitateOptions,
    seeing: EstimationOptions,
    overwrite: bool,
    talk: Reporter,
    render: Callable[[ImitateJob, Reporter], list[Tensor]] = render_video,
) -> None:
    """Check the options, render the video, and report it."""
    given = [*photos, *([clip] if clip else []), *([how.motion] if how.motion else [])]
    check_output_path(out, given, allowed_suffixes(how), overwrite)
    check_imitate_options(how, seeing)
    begun = monotonic()
    job = ImitateJob(tuple(photos), clip, out, how, seeing)
    sure = render(job, talk)
    report_confidence(out, sure, monotonic() - begun, talk)


def check_imitate_options(how: ImitateOptions, seeing: EstimationOptions) -> None:
    """Raise UsageError for options that cannot work together, before anything is computed."""
    if seeing.body != "anny":
        raise UsageError(f"photos are fitted with the body anny, not {seeing.body}; leave --body out")
    if how.weights is not None:
        if how.renderer != "liquid-warping":
            raise UsageError(f"the renderer {how.renderer} takes no --weights; give --renderer liquid-warping too")
        load_trained_networks(how.weights)
    check_background_option(how.background, ("driving",))
    if how.motion is not None and how.background == "driving":
        raise UsageError(
            "--background driving needs a video, not a stored motion; give its video, or another --background"
        )
    if how.side_by_side and how.background == "alpha":
        raise UsageError("--side-by-side cannot be transparent; give another --background than alpha")
