"""`motion-imitate novel-view`: photos in, a video or pictures of the person from all sides out."""

from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import monotonic

import torch

from motion_imitate.background.backdrop import Backdrop
from motion_imitate.frame_renderer import RenderSettings, frames_of_run
from motion_imitate.imitate import framed_backdrop, no_floor, render_motion
from motion_imitate.novel_view import VIEW_FRAMING, TiltedFloor, stand_person, view_motion
from motion_imitate.person import Person
from motion_imitate.renderer_chain import RendererChoice
from motion_imitate.runner import StreamRunner
from pipelines.device import announce_device, choose_device
from pipelines.novel_view.options import NovelViewOptions
from pipelines.novel_view.pictures import check_picture_path, write_pictures
from pipelines.output_path import UsageError, check_output_path
from pipelines.provenance import still_tags
from pipelines.rendering.backdrop import check_background_option, choose_backdrop
from pipelines.rendering.encoder import check_encoder_option, choose_encoder
from pipelines.rendering.options import allowed_suffixes, option_files
from pipelines.rendering.person import PersonLoader, check_weights_option, load_person
from pipelines.rendering.picture import PICTURE_SUFFIXES
from pipelines.rendering.write_video import write_result
from pipelines.reporter import Reporter
from pipelines.streaming.threads import THREAD_RUNNER


@dataclass(frozen=True)
class RenderedViews:
    """What is known of views that were written."""

    frames: int
    choice: RendererChoice


def run_novel_view(photos: list[Path], out: Path, how: NovelViewOptions, overwrite: bool, reporter: Reporter) -> None:
    """Check the options, render the views, and report them."""
    check_view_output(photos, out, how, overwrite)
    check_novel_view_options(how)
    check_encoder_option(how.encoder, out)
    begun = monotonic()
    torch.set_num_threads(1)  # runs of frames are rendered in parallel instead
    made = render_views(photos, out, how, reporter)
    seconds, what = round(monotonic() - begun, 2), "pictures" if how.azimuth else "frames"
    record = {"output": str(out), "frames": made.frames, "seconds": seconds, "renderer": made.choice.renderer}
    reporter.result(
        record | {"renderer_reason": made.choice.sentence, "face": made.choice.face},
        f"{out}: {made.frames} {what}, drawn by {made.choice.tools}",
    )


def check_view_output(photos: list[Path], out: Path, how: NovelViewOptions, overwrite: bool) -> None:
    """Raise UsageError unless OUT can be written: a video, or with --azimuth a folder or a picture."""
    inputs = [*photos, *option_files(how)]
    if how.azimuth:
        check_picture_path(out, how.azimuth, how.background, inputs, overwrite)
    elif out.suffix.lower() in PICTURE_SUFFIXES or (not out.suffix and not out.exists()):
        raise UsageError(f"{out} is for pictures; add --azimuth with degrees, or give {out.with_suffix('.mp4')}")
    else:
        check_output_path(out, inputs, allowed_suffixes(how), overwrite)


def check_novel_view_options(how: NovelViewOptions) -> None:
    """Raise UsageError for options that cannot work together, before anything is computed."""
    check_weights_option(how)
    check_background_option(how.background)


def render_views(
    photos: list[Path],
    out: Path,
    how: NovelViewOptions,
    reporter: Reporter,
    load: PersonLoader = load_person,
    runner: StreamRunner = THREAD_RUNNER,
) -> RenderedViews:
    """Write the video or the pictures."""
    count, device = frame_count(how), choose_device(how.device)
    announce_device(device, reporter)
    azimuths = how.azimuth or (360 * how.turns * number / count for number in range(count))
    person = stand_person(load(photos, how.size, how, reporter), how.pose, how.fov)
    framing = VIEW_FRAMING if how.frame == "fit" else None
    motion = view_motion(person, azimuths, how.elevation, float(how.rate), framing)
    floor = TiltedFloor(how.elevation) if how.background == "photo" else no_floor
    settings = RenderSettings(run=frames_of_run(device), workers=how.workers, device=device)
    with (
        closing(open_view_backdrop(person, how, reporter)) as backdrop,
        closing(render_motion(person, motion, backdrop, runner, floor, settings)) as pictures,
    ):
        shown = reporter.track_progress(pictures, "novel-view", count)
        if how.azimuth:
            for _ in write_pictures(out, how.azimuth, shown):
                pass
            return RenderedViews(count, person.choice)
        encoder = choose_encoder(how.encoder, device)
        for warning in write_result(out, Fraction(how.rate), None, shown, tags=still_tags, encoder=encoder):
            reporter.warn(warning)
    return RenderedViews(count, person.choice)


def frame_count(how: NovelViewOptions) -> int:
    """How many frames or pictures there will be."""
    return len(how.azimuth) or max(1, round(how.seconds * how.rate))


def open_view_backdrop(person: Person, how: NovelViewOptions, reporter: Reporter) -> Backdrop:
    """The backdrop that --background asks for; beyond the photo, its background goes on."""
    if how.background == "photo":
        return framed_backdrop(person)
    return choose_backdrop(how.background, person.source, reporter.warn)
