"""Load the person of some photos and warn about problems with the photos."""

from collections.abc import Callable, Sequence
from pathlib import Path

from motion_imitate.generators import CORRECTIONS_RENDERER, GENERATORS
from motion_imitate.generators.load import load_correction_networks, load_trained_networks
from motion_imitate.photos.people import find_people, load_photos
from motion_imitate.portray import AvatarAppearance, Person, make_person, prepare_person
from pipelines.motion.advice import photo_advice, sharpness_advice
from pipelines.output_path import UsageError
from pipelines.rendering.options import PersonOptions
from pipelines.reporter import Reporter

PersonLoader = Callable[[Sequence[Path], int, PersonOptions, Reporter], Person]


def check_weights_option(how: PersonOptions) -> None:
    """Raise UsageError unless the renderer takes --weights, or ValueError unless they can be read."""
    if how.renderer == CORRECTIONS_RENDERER:
        load_correction_networks(how.weights)
        return
    if how.weights is None:
        return
    if how.renderer not in GENERATORS or not GENERATORS[how.renderer].takes_weights:
        taking = [CORRECTIONS_RENDERER, *(name for name, entry in GENERATORS.items() if entry.takes_weights)]
        others = " or ".join(taking)
        raise UsageError(f"the renderer {how.renderer} takes no --weights; give --renderer {others} too")
    load_trained_networks(how.weights)


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
