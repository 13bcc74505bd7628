"""How networks are taught from made-up people: the options of `motion-imitate train retouch` and `liquid-warping`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.synthesize.people_options import MakingUp, Part


@dataclass(frozen=True)
class Lessons(MakingUp):
    part: Annotated[
        Part,
        Parameter(help="Learn from all clothes, hair, skins and motions, or from four of each five, or the fifth."),
    ] = "learn"
    minutes: Annotated[float, Parameter(help="How long to train.", validator=Number(gt=0))] = 20
    steps: Annotated[
        int | None, Parameter(help="Train up to that step, if there is time.", validator=Number(gte=1))
    ] = None
    begin: Annotated[
        Path | None, Parameter(help="Weights to begin with, such as those that ship, if the folder has none yet.")
    ] = None
    smoke: Annotated[
        bool,
        Parameter(help="Only try it: 20 steps from the same lessons, after which the loss must be less.", negative=()),
    ] = False
    people: Annotated[int, Parameter(help="Of a step.", validator=Number(gte=1, lte=1024))] = 2
    device: Annotated[
        str, Parameter(help="Where the networks learn: cpu, cuda or cuda:1. Lessons are made on the CPU.")
    ] = "cpu"
    threads: Annotated[int, Parameter(help="CPU threads that learn.", validator=Number(gte=1, lte=256))] = 1
    size: Annotated[int, Parameter(help="Pixels of a picture's side.", validator=Number(gte=64, lte=512))] = 256
    workers: Annotated[int, Parameter(help="Processes that make people up.", validator=Number(gte=1, lte=256))] = 1


@dataclass(frozen=True)
class Mended(Lessons):
    adversarial: Annotated[
        float,
        Parameter(
            help="What it counts that a discriminator takes what is made for true; at 0 there is none.",
            validator=Number(gte=0),
        ),
    ] = 0
    adversarial_after: Annotated[
        int, Parameter(help="Steps before the discriminator has a say.", validator=Number(gte=0))
    ] = 1000


@dataclass(frozen=True)
class Painted(Lessons):
    shape: Annotated[
        Literal["paper", "attention"], Parameter(help="The networks of the paper, or of its follow-up.")
    ] = "paper"
    photos: Annotated[int, Parameter(help="Photos of a person.", validator=Number(gte=1, lte=8))] = 1
    backbone: Annotated[
        Literal["efficientnet-lite0", "vgg19"], Parameter(help="The network that says how alike pictures look.")
    ] = "efficientnet-lite0"
    backbone_weights: Annotated[
        Path | None, Parameter(help="Its weights (.safetensors or .pth); those of vgg19 are not shipped.")
    ] = None
    people: Annotated[int, Parameter(help="Of a step.", validator=Number(gte=1, lte=1024))] = 4
