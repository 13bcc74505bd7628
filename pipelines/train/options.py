"""The options of `motion-imitate train corrections` and `train liquid-warping`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.synthesize.people_options import AssetSplit, SyntheticPeopleOptions


@dataclass(frozen=True)
class TrainingOptions(SyntheticPeopleOptions):
    """Options of all training on synthetic people."""

    part: Annotated[
        AssetSplit,
        Parameter(help="Asset split: all, learn (the 80 % for training) or held (the 20 % held out)."),
    ] = "learn"
    minutes: Annotated[float, Parameter(help="Training time in minutes.", validator=Number(gt=0))] = 20
    steps: Annotated[
        int | None,
        Parameter(help="Stop at this step, counted from the first run, if --minutes allow.", validator=Number(gte=1)),
    ] = None
    begin: Annotated[Path | None, Parameter(help="Initial weights for a new run folder, such as the shipped ones.")] = (
        None
    )
    smoke: Annotated[
        bool,
        Parameter(help="Smoke test: 20 steps on the same samples, after which the loss must be lower.", negative=()),
    ] = False
    people: Annotated[int, Parameter(help="People per step.", validator=Number(gte=1, lte=1024))] = 2
    device: Annotated[
        str, Parameter(help="Training device: cpu, cuda or cuda:1. Samples are always generated on the CPU.")
    ] = "cpu"
    threads: Annotated[int, Parameter(help="CPU threads for training.", validator=Number(gte=1, lte=256))] = 1
    size: Annotated[int, Parameter(help="Image side in pixels.", validator=Number(gte=64, lte=512))] = 256
    workers: Annotated[int, Parameter(help="Processes that generate samples.", validator=Number(gte=1, lte=256))] = 1


@dataclass(frozen=True)
class CorrectionOptions(TrainingOptions):
    """Options of `train corrections`."""

    adversarial: Annotated[
        float,
        Parameter(
            help="Adversarial loss weight; 0 disables it.",
            validator=Number(gte=0),
        ),
    ] = 0
    adversarial_after: Annotated[
        int, Parameter(help="Steps before the adversarial loss starts.", validator=Number(gte=0))
    ] = 1000
    people: Annotated[int, Parameter(help="People per step.", validator=Number(gte=1, lte=1024))] = 4


@dataclass(frozen=True)
class LiquidWarpingOptions(TrainingOptions):
    """Options of `train liquid-warping`."""

    shape: Annotated[
        Literal["paper", "attention"], Parameter(help="Network architecture: the paper's, or its follow-up's.")
    ] = "paper"
    photos: Annotated[int, Parameter(help="Photos of each person.", validator=Number(gte=1, lte=8))] = 1
    backbone: Annotated[Literal["efficientnet-lite0", "vgg19"], Parameter(help="Network of the perceptual loss.")] = (
        "efficientnet-lite0"
    )
    backbone_weights: Annotated[
        Path | None, Parameter(help="Weights of --backbone (.safetensors or .pth); vgg19's are not shipped.")
    ] = None
    people: Annotated[int, Parameter(help="People per step.", validator=Number(gte=1, lte=1024))] = 4
