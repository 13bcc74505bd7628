"""Load the person of some photos and report advice about them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from motion_imitate.generators.load import renderers
from motion_imitate.imitate import Person, portrait
from motion_imitate.photos.people import people_in, photos_of
from pipelines.imitate.options import Drawing
from pipelines.motion.advice import of_detail, of_photo
from pipelines.reporter import Talk

Portrayed = Callable[[Sequence[Path], int, Drawing, Talk], Person]


def person_of(paths: Sequence[Path], longest: int, how: Drawing, talk: Talk) -> Person:
    """The person of the photos; what will suffer is told."""
    photos = photos_of(paths, longest)
    seen = []
    for image, path in zip(photos.image, paths, strict=True):
        people = people_in(image, str(path), how.photo_person)
        for advice in of_photo(people, photos.size, small=max(photos.size) < longest // 2 * 2) + of_detail(
            image, people[0]
        ):
            talk.warn(f"{path}: {advice}")
        seen.append(people[0])
    source, model = portrait(photos, seen)
    return Person.of(source, model, renderers(how.weights)[how.renderer](model))
