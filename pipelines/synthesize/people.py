"""Sampling settings of synthetic people for training."""

from motion_imitate.synthesis.closet import Closet
from motion_imitate.synthesis.pairs import Casting, Sampling
from motion_imitate.synthesis.poses import Framing, Posing
from pipelines.synthesize.people_options import MakingUp

WIDE = 1.5  # times as high as wide pictures of people are


def sampling(how: MakingUp, side: int, views: int = 3) -> Sampling:
    """How people are made up, to be drawn from some of their views."""
    closet = Closet(wardrobe=how.makehuman, part=how.part)
    posing = Posing(swap=0.1, loose=0.05, small=0.6)  # as people stand in photos and move in clips
    framing = Framing(whole=0.85, high=(0.75, 0.95), shift=0.02)
    casting = Casting(people=4, each=48)
    return Sampling((side, narrow(side)), views, how.motions, how.backgrounds, closet, casting, posing, framing)


def narrow(side: int) -> int:
    """Whole people are seldom wide."""
    return 8 * round(side / WIDE / 8)
