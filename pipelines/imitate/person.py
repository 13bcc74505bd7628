"""Load the person of some photos and warn about problems with the photos."""

from collections.abc import Callable, Sequence
from pathlib import Path

from motion_imitate.generators.load import renderers_with_weights
from motion_imitate.imitate import Person, prepare_person
from motion_imitate.photos.people import find_people, load_photos
from pipelines.imitate.options import RenderOptions
from pipelines.motion.advice import photo_advice, sharpness_advice
from pipelines.reporter import Reporter

PersonLoader = Callable[[Sequence[Path], int, RenderOptions, Reporter], Person]


def load_person(paths: Sequence[Path], longest: int, how: RenderOptions, talk: Reporter) -> Person:
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
    return Person.of(source, model, renderers_with_weights(how.weights)[how.renderer](model))
