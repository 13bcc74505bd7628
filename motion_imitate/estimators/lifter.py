"""A network that lifts one frame's landmarks to a pose, shape and position, refined in three passes.

The regressor is Human Mesh Recovery's iterative error feedback on landmarks instead of pixels: small enough to train on
a laptop in minutes from synthetic bodies, and fast enough to cost next to nothing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.estimators.rig import BENDS, PoseState
from motion_imitate.estimators.terms import FITTED_LANDMARKS, TORSO_ROWS, PoseEvidence, rotation_towards_ray

LIFTED_BODIES = ("anny",)  # bodies with a shipped lifter
DEPTH_SCALE = 0.5  # depth times size in the image plane; the logarithm of the ratio to this is regressed


@dataclass(frozen=True)
class LifterConfig:
    """Size of the lifter; stored with its weights."""

    width: int = 640
    passes: int = 3
    shapes: int = 10


@dataclass(frozen=True)
class PersonFraming:
    """The centre and size of a person in the image plane, which normalize the lifter's input and output."""

    centre: Float[Tensor, "T 2"]
    size: Float[Tensor, " T"]
    ray: Float[Tensor, "T 3 3"]  # rotates the camera's axis to the centre

    @staticmethod
    def of(aim: Float[Tensor, "T K 2"], weight: Float[Tensor, "T K"]) -> "PersonFraming":
        """The framing of landmarks in the image plane: torso centre and weighted mean distance from it."""
        centre = aim[:, TORSO_ROWS].mean(1)
        spread = (aim - centre[:, None]).norm(dim=-1)
        size = (spread * weight).sum(1) / weight.sum(1).clamp(min=1e-3)
        return PersonFraming(centre, size.clamp(min=1e-4), rotation_towards_ray(centre))


def lifter_features(
    aim: Float[Tensor, "T K 2"], weight: Float[Tensor, "T K"], world: Float[Tensor, "T K 3"], framing: PersonFraming
) -> Float[Tensor, "T N"]:
    """The lifter's input: landmarks relative to the framing; 3D landmarks as a camera facing the person sees them."""
    near = (aim - framing.centre[:, None]) / framing.size[:, None, None] * weight[..., None]
    ahead = world @ framing.ray
    where = torch.cat([framing.centre, framing.size[:, None].log()], -1)
    return torch.cat([near.flatten(1), weight, 2 * ahead.flatten(1), where], -1)


@dataclass(frozen=True)
class LifterGuess:
    """The lifter's output, relative to the person's framing."""

    root: Float[Tensor, "T 3 3"]  # as seen by a camera that faces the person
    bends: Float[Tensor, "T C 3"]
    shape: Float[Tensor, "T S"]
    shift: Float[Tensor, "T 2"]  # of the root from the framing's centre, in framing sizes
    log_depth: Float[Tensor, " T"]

    def state(self, framing: PersonFraming) -> PoseState:
        """The guess in camera space."""
        depth = self.log_depth.clamp(-3, 3).exp() * DEPTH_SCALE / framing.size
        aim = framing.centre + self.shift * framing.size[:, None]
        place = torch.cat([aim, torch.ones_like(aim[:, :1])], -1) * depth[:, None]
        return PoseState(place, framing.ray @ self.root, self.bends)


class Lifter(nn.Module):
    """Iterative regressor from a frame's landmarks to a guess; see the module."""

    def __init__(self, config: LifterConfig = LifterConfig()) -> None:
        super().__init__()
        self.config = config
        seen, told = 6 * len(FITTED_LANDMARKS) + 3, 9 + 3 * len(BENDS) + config.shapes
        self.mean = nn.Parameter(torch.zeros(told))
        with torch.no_grad():
            self.mean[0], self.mean[4] = 1, -1  # facing the camera
        layers: list[nn.Module] = []
        for width in (seen + told, config.width):
            layers += [nn.Linear(width, config.width), nn.LayerNorm(config.width), nn.GELU()]
        layers += [nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, told)]
        nn.init.normal_(layers[-1].weight, std=1e-3)  # type: ignore[arg-type]
        self.correct = nn.Sequential(*layers)

    def forward(self, seen: Float[Tensor, "T N"]) -> list[LifterGuess]:
        """The guess after each pass."""
        told = self.mean.expand(len(seen), -1)
        guesses = []
        for _ in range(self.config.passes):
            told = told + self.correct(torch.cat([seen, told], -1))
            guesses.append(self.read(told))
        return guesses

    def read(self, told: Float[Tensor, "T M"]) -> LifterGuess:
        """Split the regressed vector into a guess."""
        sizes = [6, 3 * len(BENDS), self.config.shapes, 2, 1]
        root, bends, shape, shift, depth = torch.split(told, sizes, dim=-1)
        return LifterGuess(rotation_from_two_columns(root), bends.reshape(len(told), -1, 3), shape, shift, depth[:, 0])


def rotation_from_two_columns(six: Float[Tensor, "T 6"]) -> Float[Tensor, "T 3 3"]:
    """The rotation whose first two columns are the given ones, orthonormalized."""
    first = nn.functional.normalize(six[:, :3], dim=-1)
    second = six[:, 3:] - (first * six[:, 3:]).sum(-1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def load_lifter(body: str) -> Lifter:
    """The lifter trained for a body model; its shapes and bends are that model's."""
    about, tensors = weights.read_weights(weights.find_asset(f"lifter_{body}.safetensors"))
    lifter = Lifter(LifterConfig(**about["config"]))
    lifter.load_state_dict({name: value.float() for name, value in tensors.items()})
    return lifter.eval()


@torch.no_grad()
def lift_pose(lifter: Lifter, seen: PoseEvidence) -> tuple[PoseState, Float[Tensor, "T S"]]:
    """The lifter's last guess for every frame, in float64."""
    framing = PersonFraming.of(seen.aim, seen.weight)
    fed = lifter_features(seen.aim, seen.weight, seen.world, framing)
    guess = lifter(fed.float())[-1]
    exact = LifterGuess(**{name: value.double() for name, value in vars(guess).items()})
    return exact.state(framing), exact.shape
