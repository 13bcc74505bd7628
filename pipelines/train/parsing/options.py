"""Settings of the training of the human parsing network."""

from dataclasses import dataclass, field
from pathlib import Path

from motion_imitate.synthesis.photo_damage import PhotoDamage


@dataclass(frozen=True)
class ParsingLossWeights:
    layer: float = 1.0
    kind: float = 0.6
    alpha: float = 1.5
    gradient: float = 1.5
    edge: float = 2.0  # how much more pixels near an edge between labels count


@dataclass(frozen=True)
class ParsingTrainOptions:
    out: Path
    minutes: float = 8.3
    wardrobe: Path | None = None
    motions: Path | None = None
    device: str = "cuda"
    workers: int = 15
    size: tuple[int, int] = (256, 192)
    views: int = 10  # of a person in the store
    held_people: int = 200
    held_views: int = 6
    first: int = 2000  # pictures before learning begins
    most: int = 90_000  # pictures that are kept on the device
    batch: int = 128
    rate: float = 1.5e-3
    trunk_rate: float = 0.5  # of the rate, for layers that ImageNet has trained
    decay: float = 0.02
    warm: int = 300  # steps
    mean: float = 0.998  # of the running mean of the weights, each step
    ending: float = 35.0  # seconds at the end for the evaluation
    seed: int = 0
    begin: Path | None = None  # a checkpoint to go on from
    damage: PhotoDamage = field(default_factory=PhotoDamage)
    weights: ParsingLossWeights = field(default_factory=ParsingLossWeights)
