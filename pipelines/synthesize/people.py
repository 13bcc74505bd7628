"""Sampling settings of synthetic people for training."""

from motion_imitate.synthesis.closet import ClothingSettings
from motion_imitate.synthesis.damage import Damage
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings
from motion_imitate.synthesis.poses import CameraFraming, PosingSettings
from pipelines.synthesize.people_options import SyntheticPeopleOptions

PORTRAIT_ASPECT = 1.5  # height over width of images of people


def training_sampling(how: SyntheticPeopleOptions, side: int, views: int = 3) -> SampleSettings:
    """Sampling settings for portrait images of `side` pixels height."""
    closet = ClothingSettings(wardrobe=how.makehuman, part=how.part)
    posing = PosingSettings(swap=0.1, loose=0.05, small=0.6)  # as people stand in photos and move in clips
    framing = CameraFraming(whole=0.85, high=(0.75, 0.95), shift=0.02)
    casting = PeoplePool(people=4, each=48)
    return SampleSettings(
        *((side, portrait_width(side)), views, how.motions, how.backgrounds, closet, casting, posing, framing),
        damage=Damage(views=0),  # only what is chosen as a photo is degraded, see `make_training_scene`
    )


def portrait_width(side: int) -> int:
    """Width of a portrait image of that height, a multiple of 8: whole people are seldom wide."""
    return 8 * round(side / PORTRAIT_ASPECT / 8)
