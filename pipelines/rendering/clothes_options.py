"""Options that dress the person in clothes of others. This module must stay fast to import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

PARTS = ("upper", "lower", "shoes")


def split_clothes(text: str) -> tuple[str | None, Path]:
    """The part and the photo of PART=PHOTO, or no part and PHOTO."""
    part, equals, path = text.partition("=")
    return (part, Path(path)) if equals and part in PARTS else (None, Path(text))


def check_clothes(_: object, clothes: object) -> None:
    """Raise ValueError unless one photo is given, or one for each of several parts."""
    given = [split_clothes(text)[0] for text in clothes] if isinstance(clothes, tuple) else []
    if len(given) > 1 and None in given:
        raise ValueError("name the part of each of several photos, such as upper=A.jpg lower=B.jpg")
    if twice := [part for n, part in enumerate(given) if part in given[:n]]:
        raise ValueError(f"{twice[0]} is given twice; give each part once")


@dataclass(frozen=True)
class ClothesOptions:
    """Whose clothes the person wears."""

    clothes: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True, validator=check_clothes)] = ()
    """Photo of another person, whose clothes the person wears; or photos by part: upper=PHOTO, lower=PHOTO,
    shoes=PHOTO."""
    parts: Annotated[
        tuple[Literal["upper", "lower", "shoes", "all"], ...], Parameter(negative=(), consume_multiple=True)
    ] = ("all",)
    """Which clothes to take from --clothes PHOTO; a dress is both upper and lower."""

    @property
    def photos(self) -> dict[str, Path]:
        """The photo of each part."""
        wanted = PARTS if "all" in self.parts else self.parts
        given = [split_clothes(text) for text in self.clothes]
        return {part: path for name, path in given for part in ([name] if name else wanted)}


NO_CLOTHES = ClothesOptions()
