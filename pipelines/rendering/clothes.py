"""Dress a person in the clothes of the people of other photos."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from motion_imitate.dress import Garment, NoGarment, dress, lacking_sentence, missing_garments
from motion_imitate.generators import AUTO_RENDERER, AVATAR_RENDERER
from motion_imitate.person import Person
from pipelines.output_path import UsageError
from pipelines.rendering.clothes_options import ClothesOptions
from pipelines.rendering.options import PersonOptions
from pipelines.rendering.person import PersonLoader
from pipelines.reporter import Reporter


def check_clothes_options(wear: ClothesOptions, renderer: str) -> None:
    """Raise UsageError for clothes that cannot be worn, before anything is computed."""
    if not wear.clothes and tuple(wear.parts) != ("all",):
        raise UsageError("--parts says which of the clothes to take; add --clothes PHOTO")
    if wear.clothes and "=" in wear.clothes[0] and tuple(wear.parts) != ("all",) and len(wear.photos) == 1:
        raise UsageError("the parts of --clothes are named already; leave --parts out")
    if wear.clothes and renderer not in (AUTO_RENDERER, AVATAR_RENDERER):
        raise UsageError(f"--clothes are worn by avatars only; leave out --renderer {renderer}")


def check_clothes_photos(wear: ClothesOptions) -> None:
    """Raise UsageError for photos of clothes that do not exist."""
    for path in wear.photos.values():
        if not path.is_file():
            raise UsageError(f"no file {path}; give --clothes the photo of a person")


def wear_clothes(
    person: Person, wear: ClothesOptions, longest: int, how: PersonOptions, reporter: Reporter, load: PersonLoader
) -> Person:
    """The person in the clothes of other photos, or as they are without --clothes; warns about clothes not found."""
    if not wear.clothes:
        return person
    alone = replace(how, photo_person="largest", renderer=AVATAR_RENDERER, weights=None, face="off")
    others = {path: load([path], longest, alone, reporter) for path in dict.fromkeys(wear.photos.values())}
    givers: dict[Garment, Person] = {}
    for path, other in others.items():
        wanted: Sequence[Garment] = [part for part, photo in wear.photos.items() if photo == path]  # type: ignore[misc]
        lacking = missing_garments(other, wanted)
        if lacking:
            if len(lacking) == len(wear.photos):
                raise NoGarment(f"{path}: {lacking_sentence(lacking)}; give a photo that does")
            reporter.warn(f"{path}: {lacking_sentence(lacking)}, which stay as they are")
        givers |= dict.fromkeys((part for part in wanted if part not in lacking), other)
    return dress(person, givers)


def clothes_files(wear: ClothesOptions) -> list[Path]:
    """The photos of clothes, which must not be overwritten by the result."""
    return list(wear.photos.values())
