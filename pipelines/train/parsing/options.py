"""Settings of the training of the human parsing network."""

from dataclasses import dataclass, field
from pathlib import Path

from motion_imitate.synthesis.photo_damage import PhotoDamage
from motion_imitate.training.parsing_losses import ParsingLossWeights


@dataclass(frozen=True)
class ParsingTrainOptions:
    """Settings of a training run; `gpu_run` has an option for most of them."""

    out: Path
    minutes: float = 8.3
    wardrobe: Path | None = None
    motions: Path | None = None
    device: str = "cuda"
    workers: int = 15
    size: tuple[int, int] = (256, 192)
    views: int = 20  # per person
    held_people: int = 200
    held_views: int = 6
    first: int = 2000  # pictures before training begins
    most: int = 60_000  # pictures kept on the device
    batch: int = 256
    rate: float = 1.5e-3
    trunk_rate: float = 0.5  # of the rate, for the layers pretrained on ImageNet
    decay: float = 0.02
    warm: int = 150  # steps
    mean: float = 0.998  # decay of the average of the weights, per step
    ending: float = 35.0  # seconds kept for the evaluation
    seed: int = 0
    begin: Path | None = None  # a checkpoint to continue from
    damage: PhotoDamage = field(default_factory=PhotoDamage)
    weights: ParsingLossWeights = field(default_factory=ParsingLossWeights)
