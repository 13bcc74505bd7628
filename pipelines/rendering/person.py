"""Load the person of some photos and warn about problems with the photos."""

from collections.abc import Callable, Sequence
from pathlib import Path

from motion_imitate.generators import AVATAR_RENDERER, RENDERERS
from motion_imitate.generators.load import check_weights_renderer, missing_weights
from motion_imitate.photos.people import find_people, load_photos
from motion_imitate.portray import AvatarAppearance, Person, make_person, prepare_person
from pipelines.motion.advice import photo_advice, sharpness_advice
from pipelines.output_path import UsageError
from pipelines.rendering.options import PersonOptions
from pipelines.reporter import Reporter

PersonLoader = Callable[[Sequence[Path], int, PersonOptions, Reporter], Person]


def check_weights_option(how: PersonOptions) -> None:
    """Raise UsageError or ValueError unless --weights are given to a renderer that needs them, and can be read."""
    if how.renderer == AVATAR_RENDERER:
        if how.weights is not None:
            others = " or ".join(name for name in RENDERERS if name != AVATAR_RENDERER)
            raise UsageError(f"the renderer {how.renderer} takes no --weights; give --renderer {others} too")
        return
    if how.weights is None:
        raise UsageError(missing_weights(how.renderer))
    check_weights_renderer(how.weights, how.renderer)


def load_person(paths: Sequence[Path], longest: int, how: PersonOptions, reporter: Reporter) -> Person:
    """The person of the photos, ready to be rendered; warns about problems with the photos."""
    photos = load_photos(paths, longest)
    seen = []
    for image, path in zip(photos.image, paths, strict=True):
        people = find_people(image, str(path), how.photo_person)
        for advice in photo_advice(people, photos.size, small=max(photos.size) < longest // 2 * 2) + sharpness_advice(
            image, people[0]
        ):
            reporter.warn(f"{path}: {advice}")
        seen.append(people[0])
    person = make_person(*prepare_person(photos, seen), how.renderer, how.weights)
    if isinstance(person.appearance, AvatarAppearance):
        for path, avatar in zip(paths, person.appearance.avatars, strict=True):
            for fault in avatar.faults:
                reporter.warn(f"{path}: {fault}")
    return person
