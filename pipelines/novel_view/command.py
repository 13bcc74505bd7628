"""`motion-imitate novel-view`: photos in, a video in which the camera goes once round the person out."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from time import monotonic

import torch

from motion_imitate.imitate import RenderSettings, no_floor, photo_floor, render_motion
from motion_imitate.motion.turntable import circle_person
from pipelines.novel_view.options import NovelViewOptions
from pipelines.output_path import check_output_path
from pipelines.rendering.backdrop import check_background_option, choose_backdrop
from pipelines.rendering.options import allowed_suffixes, option_files
from pipelines.rendering.person import check_weights_option, load_person
from pipelines.rendering.write_video import write_result
from pipelines.reporter import Reporter
from pipelines.streaming.threads import THREAD_RUNNER


def run_novel_view(photos: list[Path], out: Path, how: NovelViewOptions, overwrite: bool, reporter: Reporter) -> None:
    """Check the options, render the turn in the photo's pose, and report it."""
    check_output_path(out, [*photos, *option_files(how)], allowed_suffixes(how), overwrite)
    check_weights_option(how)
    check_background_option(how.background)
    begun = monotonic()
    torch.set_num_threads(1)  # runs of frames are rendered in parallel instead
    person = load_person(photos, how.size, how, reporter)
    frames = max(1, round(how.seconds * how.rate))
    motion = circle_person(person.source.body, person.source.camera, frames, float(how.rate), how.elevation)
    floor = photo_floor if how.background == "photo" and not how.elevation else no_floor
    settings = RenderSettings(workers=how.workers)
    with (
        closing(choose_backdrop(how.background, person.source, reporter.warn)) as backdrop,
        closing(render_motion(person, motion, backdrop, THREAD_RUNNER, floor, settings)) as pictures,
    ):
        for warning in write_result(
            out, Fraction(how.rate), None, reporter.track_progress(pictures, "novel-view", frames)
        ):
            reporter.warn(warning)
    seconds = round(monotonic() - begun, 2)
    record = {"output": str(out), "frames": frames, "seconds": seconds, "renderer": person.choice.renderer}
    reporter.result(
        record | {"renderer_reason": person.choice.sentence}, f"{out}: {frames} frames, drawn by {record['renderer']}"
    )
