"""The options of `motion-imitate train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pipelines.option_annotations import Number, Parameter
from pipelines.synthesize.people_options import AssetSplit, SyntheticPeopleOptions


@dataclass(frozen=True)
class RunOptions:
    """Options of every training run."""

    seed: Annotated[int, Parameter(help="Random seed.", validator=Number(gte=0, lt=1 << 63))] = 0
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
    device: Annotated[str, Parameter(help="Training device: cpu, cuda or cuda:1.")] = "cpu"
    threads: Annotated[int, Parameter(help="CPU threads for training.", validator=Number(gte=1, lte=256))] = 1


@dataclass(frozen=True)
class StoreTrainingOptions(RunOptions):
    """Options of training on a store of labelled pictures."""

    size: Annotated[
        Literal["small", "published"],
        Parameter(help="Networks: at most 4 million weights, with an alpha output; or as published, for GPUs."),
    ] = "small"
    batch: Annotated[int, Parameter(help="Pairs of views per step.", validator=Number(gte=1, lte=4096))] = 16
    cooldown: Annotated[
        int | None,
        Parameter(
            help="Last steps before --steps, in which the small forms' learning rate falls; by default all.",
            validator=Number(gte=1),
        ),
    ] = None
    adversarial: Annotated[
        float | None,
        Parameter(
            help="Adversarial loss weight; 0 disables it. By default the published one, and 0 for small networks.",
            validator=Number(gte=0),
        ),
    ] = None


@dataclass(frozen=True)
class TrainingOptions(SyntheticPeopleOptions, RunOptions):
    """Options of training on samples that worker processes make."""

    part: Annotated[
        AssetSplit,
        Parameter(help="Asset split: all, learn (the 80 % for training) or held (the 20 % held out)."),
    ] = "learn"
    people: Annotated[int, Parameter(help="People per step.", validator=Number(gte=1, lte=1024))] = 2
    device: Annotated[
        str, Parameter(help="Training device: cpu, cuda or cuda:1. Samples are always generated on the CPU.")
    ] = "cpu"
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
    samples: Annotated[
        Path | None, Parameter(help="Folder in which samples are kept: each is made once and used again.")
    ] = None
    kept: Annotated[int, Parameter(help="People whose samples are kept in --samples.", validator=Number(gte=1))] = 400
    crop: Annotated[
        int,
        Parameter(help="Side, in pixels, of the random part of a draft that a step sees.", validator=Number(gte=64)),
    ] = 128


@dataclass(frozen=True)
class LiquidWarpingOptions(TrainingOptions):
    """Options of `train liquid-warping`."""

    shape: Annotated[
        Literal["paper", "attention"], Parameter(help="Network architecture: the paper's, or its follow-up's.")
    ] = "paper"
    store: Annotated[
        Path | None,
        Parameter(
            help="Store of labelled pictures, from `motion-imitate synthesize`, to train on instead of new people; "
            "its pictures have a size, and each sample one photo."
        ),
    ] = None
    photos: Annotated[int, Parameter(help="Photos of each person.", validator=Number(gte=1, lte=8))] = 1
    backbone: Annotated[Literal["efficientnet-lite0", "vgg19"], Parameter(help="Network of the perceptual loss.")] = (
        "efficientnet-lite0"
    )
    backbone_weights: Annotated[
        Path | None, Parameter(help="Weights of --backbone (.safetensors or .pth); vgg19's are not shipped.")
    ] = None
    people: Annotated[int, Parameter(help="People per step.", validator=Number(gte=1, lte=1024))] = 4
