"""`motion-imitate imitate`: photos and a clip in, a video out."""

from pathlib import Path
from time import monotonic

from motion_imitate.generators.load import trained
from pipelines.imitate.backdrop import colour, readable
from pipelines.imitate.driver import Job
from pipelines.imitate.options import Imitating, suffixes
from pipelines.imitate.render_video import made
from pipelines.motion.confidence_report import report
from pipelines.motion.options import Seeing
from pipelines.output_path import Refused, refuse
from pipelines.reporter import Talk


def imitate(
    photos: list[Path], clip: Path | None, out: Path, how: Imitating, seeing: Seeing, overwrite: bool, talk: Talk
) -> None:
    given = [*photos, *([clip] if clip else []), *([how.motion] if how.motion else [])]
    refuse(out, given, suffixes(how), overwrite)
    refuse_wishes(how, seeing)
    begun = monotonic()
    job = Job(tuple(photos), clip, out, how, seeing)
    if how.segments is None:
        sure = made(job, talk)
    else:
        from pipelines.batch.segments import in_segments  # which builds on this

        sure = in_segments(job, talk)
    report(out, sure, monotonic() - begun, talk)


def refuse_wishes(how: Imitating, seeing: Seeing) -> None:
    """What would come to nothing is said before anything is computed."""
    if seeing.body != "anny":
        raise Refused(f"people of photos have the body anny, not {seeing.body}; leave --body out")
    if how.weights is not None:
        if how.renderer != "liquid-warping":
            raise Refused(f"the renderer {how.renderer} has no --weights; give --renderer liquid-warping with them")
        trained(how.weights)
    wish = how.background
    if wish.startswith("#"):
        colour(wish)
    elif wish not in ("photo", "driving", "alpha") and not Path(wish).is_file():
        raise Refused(f"there is no file {wish}; --background is photo, driving, alpha, #RRGGBB or a file's path")
    elif wish not in ("photo", "driving", "alpha"):
        readable(Path(wish))
    if how.motion is not None and wish == "driving":
        raise Refused("a stored motion has no pictures to stand before; give its video, or another --background")
    if how.side_by_side and wish == "alpha":
        raise Refused("--side-by-side shows pictures that are not transparent; give another --background")
