"""`motion-imitate imitate`: photos and a clip in, a video out."""

from pathlib import Path
from time import monotonic

from motion_imitate.generators.load import load_trained_networks
from pipelines.imitate.backdrop import check_backdrop_file, parse_hex_colour
from pipelines.imitate.driver import ImitateJob
from pipelines.imitate.options import ImitateOptions, allowed_suffixes
from pipelines.imitate.render_video import render_video
from pipelines.motion.confidence_report import report_confidence
from pipelines.motion.options import EstimationOptions
from pipelines.output_path import UsageError, check_output_path
from pipelines.reporter import Reporter


def run_imitate(
    photos: list[Path],
    clip: Path | None,
    out: Path,
    how: ImitateOptions,
    seeing: EstimationOptions,
    overwrite: bool,
    talk: Reporter,
) -> None:
    """Check the options, render the video, undivided or in segments, and report it."""
    given = [*photos, *([clip] if clip else []), *([how.motion] if how.motion else [])]
    check_output_path(out, given, allowed_suffixes(how), overwrite)
    check_imitate_options(how, seeing)
    begun = monotonic()
    job = ImitateJob(tuple(photos), clip, out, how, seeing)
    if how.segments is None:
        sure = render_video(job, talk)
    else:
        from pipelines.batch.segments import imitate_in_segments  # imports this module's neighbours

        sure = imitate_in_segments(job, talk)
    report_confidence(out, sure, monotonic() - begun, talk)


def check_imitate_options(how: ImitateOptions, seeing: EstimationOptions) -> None:
    """Raise UsageError for options that cannot work together, before anything is computed."""
    if seeing.body != "anny":
        raise UsageError(f"photos are fitted with the body anny, not {seeing.body}; leave --body out")
    if how.weights is not None:
        if how.renderer != "liquid-warping":
            raise UsageError(f"the renderer {how.renderer} takes no --weights; give --renderer liquid-warping too")
        load_trained_networks(how.weights)
    wish = how.background
    if wish.startswith("#"):
        parse_hex_colour(wish)
    elif wish not in ("photo", "driving", "alpha") and not Path(wish).is_file():
        raise UsageError(f"no file {wish}; --background is photo, driving, alpha, #RRGGBB or the path of a file")
    elif wish not in ("photo", "driving", "alpha"):
        check_backdrop_file(Path(wish))
    if how.motion is not None and wish == "driving":
        raise UsageError(
            "--background driving needs a video, not a stored motion; give its video, or another --background"
        )
    if how.side_by_side and wish == "alpha":
        raise UsageError("--side-by-side cannot be transparent; give another --background than alpha")
