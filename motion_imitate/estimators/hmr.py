"""Human Mesh Recovery: a network that regresses a body and a weak camera from a crop of a person, in three passes.

`HMR_FORMS` has the published network and SPIN's, of which a user may have weights, the published network for Anny's
body, and a small one. All see the person upright and centred; the root's rotation is from body to camera axes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import pi
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.bodies.smpl import SMPL_JOINTS
from motion_imitate.estimators.lifter import rotation_from_two_columns
from motion_imitate.estimators.lite0 import LITE0_FEATURES, Lite0Encoder
from motion_imitate.estimators.resnet50 import RESNET50_FEATURES, ResNet50, ResNet50V2
from motion_imitate.estimators.rig import BENDS
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Batched

ENCODERS: dict[str, tuple[Callable[[], nn.Module], int]] = {  # and the number of features
    "resnet50-v2": (ResNet50V2, RESNET50_FEATURES),
    "resnet50": (ResNet50, RESNET50_FEATURES),
    "lite0": (Lite0Encoder, LITE0_FEATURES),
}
PERSON_PIXELS = 150 / 224  # length of the diagonal of a person's keypoints, as a fraction of the crop
INITIAL_SCALE = 0.9  # of the weak camera
COLOUR_RANGES = {  # mean and deviation of the encoder's input, of colours in [0, 1]
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclass(frozen=True)
class HmrConfig:
    """Layers of a network, and the body that it regresses; stored with its weights."""

    encoder: str = "resnet50-v2"  # of ENCODERS
    body: str = "smpl"
    rotations: int = len(SMPL_JOINTS)  # the root's and those of SMPL's joints, or of the bends of `rig.BENDS`
    numbers: int = 3  # of a rotation: 3 for a rotation vector, 6 for the first two columns of its matrix
    shapes: int = 10
    size: int = 224  # pixels of the crop's side
    hidden: int = 1024
    passes: int = 3
    dropout: float = 0.5
    relu: bool = True  # between the regressor's layers
    colours: str = "signed"  # of COLOUR_RANGES


HMR_FORMS = {
    "published": HmrConfig(),
    "published-anny": HmrConfig(body="anny", rotations=1 + len(BENDS)),
    "spin": HmrConfig("resnet50", numbers=6, relu=False, colours="imagenet"),
    "small": HmrConfig("lite0", "anny", 1 + len(BENDS), 6, size=128, hidden=256, dropout=0.0),
}


@dataclass(frozen=True)
class HmrGuess(Batched):
    """A body, and a weak camera: the image point of a body point is `scale * (point + shift)`, in crops."""

    scale: Float[Tensor, " B"]
    shift: Float[Tensor, "B 2"]  # metres
    turns: Float[Tensor, "B J 3 3"]  # of the root, from body to camera axes, then of the other joints or bends
    shape: Float[Tensor, "B S"]

    def project(self, points: Float[Tensor, "B K 3"]) -> Float[Tensor, "B K 2"]:
        """Image points of points in camera axes, from the body's origin."""
        return self.scale[:, None, None] * (points[..., :2] + self.shift[:, None])


class HmrRegressor(nn.Module):
    """The iterative regressor: corrects the numbers of a body, from the features and the numbers so far."""

    def __init__(self, features: int, config: HmrConfig) -> None:
        super().__init__()
        self.config = config
        self.mean = nn.Parameter(initial_hmr_numbers(config))
        told = len(self.mean)
        self.fc1 = nn.Linear(features + told, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.fc3 = nn.Linear(config.hidden, told)
        self.active = nn.ReLU() if config.relu else nn.Identity()
        self.drop = nn.Dropout(config.dropout)
        nn.init.xavier_uniform_(self.fc3.weight, gain=0.1)
        nn.init.zeros_(self.fc3.bias)

    def forward(self, features: Float[Tensor, "B N"]) -> list[Float[Tensor, "B M"]]:
        """The numbers after each pass."""
        numbers, passes = self.mean.expand(len(features), -1), list[Tensor]()
        for _ in range(self.config.passes):
            x = self.drop(self.active(self.fc1(torch.cat([features, numbers], 1))))
            numbers = numbers + self.fc3(self.drop(self.active(self.fc2(x))))
            passes.append(numbers)
        return passes


class Hmr(nn.Module):
    """Human Mesh Recovery; see the module."""

    def __init__(self, config: HmrConfig = HMR_FORMS["published"]) -> None:
        super().__init__()
        self.config = config
        make, features = ENCODERS[config.encoder]
        self.encoder, self.regressor = make(), HmrRegressor(features, config)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[HmrGuess]:
        """The guess after each pass, for crops in [0, 1]."""
        mean, deviation = (pictures.new_tensor(x)[:, None, None] for x in COLOUR_RANGES[self.config.colours])
        features = self.encoder((pictures - mean) / deviation)
        return [read_hmr_numbers(numbers.float(), self.config) for numbers in self.regressor(features)]


def initial_hmr_numbers(config: HmrConfig) -> Float[Tensor, " M"]:
    """The numbers that the first pass corrects: the camera, a body that faces it in the mean pose, and its shape."""
    turns = torch.zeros(config.rotations, config.numbers)
    if config.numbers == 6:
        turns[:, 0] = turns[:, 4] = 1
        turns[0, 4] = -1
    else:
        turns[0, 0] = pi
    return torch.cat([torch.tensor([INITIAL_SCALE, 0, 0]), turns.flatten(), torch.zeros(config.shapes)])


def read_hmr_numbers(numbers: Float[Tensor, "B M"], config: HmrConfig) -> HmrGuess:
    """Split regressed numbers into camera, rotations and shape."""
    scale, shift, turns, shape = numbers.split([1, 2, config.rotations * config.numbers, config.shapes], 1)
    each = turns.reshape(-1, config.numbers)
    matrices = rotation_from_two_columns(each) if config.numbers == 6 else rotation_vector_to_matrix(each)
    return HmrGuess(scale[:, 0], shift, matrices.view(len(numbers), -1, 3, 3), shape)


def write_hmr(path: Path, net: Hmr, about: dict[str, Any]) -> None:
    """Write a network with its configuration."""
    weights.write_weights(path, hmr_metadata(net.config) | about, net.state_dict())


def hmr_metadata(config: HmrConfig) -> dict[str, Any]:
    """What a file of a network's weights says about it."""
    return {"model": "hmr", "config": asdict(config)}


def load_hmr(path: Path, device: str = "cpu") -> Hmr:
    """The network of a file that `convert hmr` or `train hmr` has written, for inference."""
    about, tensors = weights.read_weights(path)
    if about.get("model") != "hmr":
        raise ValueError(
            f"{path} holds no network of Human Mesh Recovery; convert one by `motion-imitate convert hmr`, or train "
            "one by `motion-imitate train hmr`"
        )
    net = Hmr(HmrConfig(**about["config"]))
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return net.to(device).eval().requires_grad_(False)
