"""Load the person of some photos and warn about problems with the photos."""

from collections.abc import Callable, Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from motion_imitate.generators import AUTO_RENDERER, AVATAR_RENDERER, CORRECTIONS_RENDERER, RENDERERS
from motion_imitate.generators.load import (
    check_weights_renderer,
    find_renderer_of_weights,
    missing_weights,
    shipped_weights,
)
from motion_imitate.person import AvatarAppearance, Person, turn_faces_by_drn
from motion_imitate.photos.people import find_people, load_photos
from motion_imitate.portray import PrepareSettings, make_person_of_photos
from motion_imitate.renderer_chain import PAINTERS
from motion_imitate.types import Sighting
from pipelines.motion.advice import photo_advice, sharpness_advice
from pipelines.output_path import UsageError
from pipelines.rendering.options import PersonOptions
from pipelines.reporter import Reporter

FACED_RENDERERS = (AUTO_RENDERER, AVATAR_RENDERER, CORRECTIONS_RENDERER)  # whose faces --face may draw

PersonLoader = Callable[[Sequence[Path], int, PersonOptions, Reporter], Person]


def check_weights_option(how: PersonOptions) -> None:
    """Raise UsageError or ValueError unless the renderer has weights, given or shipped, or needs none; and so has the
    face, if it is another's."""
    if how.face != "off":
        if how.renderer not in FACED_RENDERERS:
            raise UsageError(f"--face {how.face} is for avatars; leave it out, or --renderer {how.renderer}")
        if shipped_weights(how.face) is None:
            raise UsageError(missing_weights(how.face))
    if how.renderer == AUTO_RENDERER:
        if how.weights is not None and (own := find_renderer_of_weights(how.weights)) not in PAINTERS:
            raise UsageError(f"{how.weights} holds networks of the renderer {own}; give --renderer {own} too")
    elif how.renderer == AVATAR_RENDERER:
        if how.weights is not None:
            others = " or ".join(name for name in RENDERERS if name not in (AUTO_RENDERER, AVATAR_RENDERER))
            raise UsageError(f"the renderer {how.renderer} takes no --weights; give --renderer {others} too")
    elif (found := how.weights or shipped_weights(how.renderer)) is None:
        raise UsageError(missing_weights(how.renderer))
    else:
        check_weights_renderer(found, how.renderer)


def load_person(paths: Sequence[Path], longest: int, how: PersonOptions, reporter: Reporter) -> Person:
    """The person of the photos, ready to be rendered; warns about problems with the photos."""
    photos = load_photos(paths, longest)
    everybody = []
    for image, path in zip(photos.image, paths, strict=True):
        people = find_people(image, str(path), how.photo_person)
        for advice in advise_on_photo(image, people, longest):
            reporter.warn(f"{path}: {advice}")
        everybody.append(people)
    settings, seen = PrepareSettings(stand_upright=how.stand_upright), [people[0] for people in everybody]
    person = make_person_of_photos(photos.mask_others(everybody), seen, settings, how.renderer, how.weights)
    warn_of_renderer(paths, person, reporter)
    if how.face == "drn":
        person = turn_faces_by_drn(person)
        if person.choice.face != how.face:
            reporter.warn(f"--face {how.face} is for avatars; {person.choice.renderer} draws the face here")
    if isinstance(person.appearance, AvatarAppearance):
        reasons = person.choice.reasons or ("",) * len(paths)
        used = [path for path, reason in zip(paths, reasons, strict=True) if not reason]
        for path, avatar in zip(used, person.appearance.avatars, strict=True):
            for fault in avatar.faults:
                reporter.warn(f"{path}: {fault}")
    return person


def advise_on_photo(image: Float[Tensor, "3 H W"], people: Sequence[Sighting], longest: int) -> list[str]:
    """Warnings about a photo, read at `longest` pixels at most, and the people in it, the one to use first."""
    size = (image.shape[1], image.shape[2])
    return photo_advice(people, size, small=max(size) < longest // 2 * 2) + sharpness_advice(image, people[0])


def warn_of_renderer(paths: Sequence[Path], person: Person, reporter: Reporter) -> None:
    """Say of each photo that is not drawn as an avatar why, unless a renderer was asked for."""
    for path, reason in zip(paths, person.choice.reasons, strict=False):
        if reason:
            reporter.warn(f"{path}: {reason}")
