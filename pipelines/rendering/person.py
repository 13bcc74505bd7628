"""Load the person of some photos and warn about problems with the photos."""

from collections.abc import Callable, Sequence
from pathlib import Path

from motion_imitate.generators import load_generator
from motion_imitate.photos.people import find_people, load_photos
from motion_imitate.portray import Person, prepare_person
from pipelines.motion.advice import photo_advice, sharpness_advice
from pipelines.rendering.options import PersonOptions
from pipelines.reporter import Reporter

PersonLoader = Callable[[Sequence[Path], int, PersonOptions, Reporter], Person]


def load_person(paths: Sequence[Path], longest: int, how: PersonOptions, talk: Reporter) -> Person:
    """The person of the photos, ready to be rendered; warns about problems with the photos."""
    photos = load_photos(paths, longest)
    seen = []
    for image, path in zip(photos.image, paths, strict=True):
        people = find_people(image, str(path), how.photo_person)
        for advice in photo_advice(people, photos.size, small=max(photos.size) < longest // 2 * 2) + sharpness_advice(
            image, people[0]
        ):
            talk.warn(f"{path}: {advice}")
        seen.append(people[0])
    source, model = prepare_person(photos, seen)
    return Person.of(source, model, load_generator(how.renderer, model, how.weights))
