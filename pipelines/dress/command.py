"""`motion-imitate dress`: photos of two people in, a picture of one in the clothes of the other out."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from motion_imitate.files import write_bytes_atomically
from motion_imitate.frame_renderer import RenderSettings
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.imitate import no_floor, photo_floor, render_motion
from motion_imitate.novel_view import stand_person, view_motion
from motion_imitate.renderer_chain import RendererChoice
from motion_imitate.types import cat_batched
from pipelines.device import announce_device, choose_device
from pipelines.dress.options import DressOptions
from pipelines.output_path import UsageError, check_output_path
from pipelines.rendering.backdrop import check_background_option, choose_backdrop
from pipelines.rendering.clothes import check_clothes_options, check_clothes_photos, clothes_files, wear_clothes
from pipelines.rendering.clothes_options import ClothesOptions
from pipelines.rendering.options import PersonOptions, option_files
from pipelines.rendering.person import PersonLoader, load_person
from pipelines.rendering.picture import encode_picture, picture_suffixes, to_array
from pipelines.reporter import Reporter


@dataclass(frozen=True)
class DressedPicture:
    """What is known of a picture that was written."""

    choice: RendererChoice
    frames: int = 1


def run_dress(
    photos: list[Path],
    out: Path,
    wear: ClothesOptions,
    how: DressOptions,
    overwrite: bool,
    reporter: Reporter,
    load: PersonLoader = load_person,
) -> None:
    """Check the options, write the picture, and report it."""
    inputs = [*photos, *clothes_files(wear), *option_files(person_options(how))]
    check_output_path(out, inputs, picture_suffixes(how.background), overwrite)
    if not wear.clothes:
        raise UsageError("give the photo of the clothes: motion-imitate dress PHOTO --clothes OTHER -o OUT.png")
    check_clothes_photos(wear)
    check_dress_options(wear, how)
    torch.set_num_threads(1)
    write_dressed(photos, out, wear, how, reporter, load)
    reporter.result({"output": str(out), "clothes": {part: str(path) for part, path in wear.photos.items()}}, str(out))


def person_options(how: DressOptions) -> PersonOptions:
    """Who is dressed, as an avatar."""
    return PersonOptions(how.background, how.photo_person, AVATAR_RENDERER)


def check_dress_options(wear: ClothesOptions, how: DressOptions) -> None:
    """Raise UsageError for options that cannot work together, before anything is computed."""
    check_clothes_options(wear, AVATAR_RENDERER)
    check_background_option(how.background)


def write_dressed(
    photos: list[Path], out: Path, wear: ClothesOptions, how: DressOptions, reporter: Reporter, load: PersonLoader
) -> DressedPicture:
    """Write the picture."""
    of_person, device = person_options(how), choose_device(how.device)
    announce_device(device, reporter)
    person = load(photos, how.size, of_person, reporter)
    dressed = stand_person(wear_clothes(person, wear, how.size, of_person, reporter, load))
    motion = view_motion(dressed, (0.0,), framing=None)
    floor = photo_floor if how.background == "photo" else no_floor
    with closing(choose_backdrop(how.background, dressed.source, reporter.warn)) as backdrop:
        frames = render_motion(dressed, motion, backdrop, find_floor=floor, how=RenderSettings(device=device))
        [picture] = cat_batched(list(reporter.track_progress(frames, "dress", 1))).data
    write_bytes_atomically(out, encode_picture(to_array(picture), out.suffix))
    return DressedPicture(person.choice)
