"""From what a pose network saw in one frame to a body and its place: guess, correct the guess, three times over.

The regressor is Human Mesh Recovery's iterative error feedback, fed with points instead of pixels: small enough that a
laptop trains it in minutes from bodies made up, and quick enough to be free.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motion_imitate import weights
from motion_imitate.estimators.rig import BENDS, State
from motion_imitate.estimators.terms import TORSO, USED, Evidence, towards

DEPTH = 0.5  # depth times the size of the person in the picture plane, of which the logarithm is regressed


@dataclass(frozen=True)
class LifterConfig:
    width: int = 640
    passes: int = 3
    shapes: int = 10


@dataclass(frozen=True)
class Framing:
    """The square of the picture plane that a person fills."""

    centre: Float[Tensor, "T 2"]
    size: Float[Tensor, " T"]
    ray: Float[Tensor, "T 3 3"]  # turns the camera's axis to the centre

    @staticmethod
    def of(aim: Float[Tensor, "T K 2"], weight: Float[Tensor, "T K"]) -> "Framing":
        centre = aim[:, TORSO].mean(1)
        spread = (aim - centre[:, None]).norm(dim=-1)
        size = (spread * weight).sum(1) / weight.sum(1).clamp(min=1e-3)
        return Framing(centre, size.clamp(min=1e-4), towards(centre))


def features(
    aim: Float[Tensor, "T K 2"], weight: Float[Tensor, "T K"], world: Float[Tensor, "T K 3"], framing: Framing
) -> Float[Tensor, "T N"]:
    """Points about the person's centre; space as seen by a camera that looks straight at him."""
    near = (aim - framing.centre[:, None]) / framing.size[:, None, None] * weight[..., None]
    ahead = world @ framing.ray
    where = torch.cat([framing.centre, framing.size[:, None].log()], -1)
    return torch.cat([near.flatten(1), weight, 2 * ahead.flatten(1), where], -1)


@dataclass(frozen=True)
class Guess:
    root: Float[Tensor, "T 3 3"]  # in the camera that looks straight at the person
    bends: Float[Tensor, "T C 3"]
    shape: Float[Tensor, "T S"]
    shift: Float[Tensor, "T 2"]  # of the root from the framing's centre, in sizes
    log_depth: Float[Tensor, " T"]

    def state(self, framing: Framing) -> State:
        depth = self.log_depth.clamp(-3, 3).exp() * DEPTH / framing.size
        aim = framing.centre + self.shift * framing.size[:, None]
        place = torch.cat([aim, torch.ones_like(aim[:, :1])], -1) * depth[:, None]
        return State(place, framing.ray @ self.root, self.bends)


class Lifter(nn.Module):
    def __init__(self, config: LifterConfig = LifterConfig()) -> None:
        super().__init__()
        self.config = config
        seen, told = 6 * len(USED) + 3, 9 + 3 * len(BENDS) + config.shapes
        self.mean = nn.Parameter(torch.zeros(told))
        with torch.no_grad():
            self.mean[0], self.mean[4] = 1, -1  # facing the camera
        layers: list[nn.Module] = []
        for width in (seen + told, config.width):
            layers += [nn.Linear(width, config.width), nn.LayerNorm(config.width), nn.GELU()]
        layers += [nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, told)]
        nn.init.normal_(layers[-1].weight, std=1e-3)  # type: ignore[arg-type]
        self.correct = nn.Sequential(*layers)

    def forward(self, seen: Float[Tensor, "T N"]) -> list[Guess]:
        """The guess after each pass."""
        told = self.mean.expand(len(seen), -1)
        guesses = []
        for _ in range(self.config.passes):
            told = told + self.correct(torch.cat([seen, told], -1))
            guesses.append(self.read(told))
        return guesses

    def read(self, told: Float[Tensor, "T M"]) -> Guess:
        sizes = [6, 3 * len(BENDS), self.config.shapes, 2, 1]
        root, bends, shape, shift, depth = torch.split(told, sizes, dim=-1)
        return Guess(from_columns(root), bends.reshape(len(told), -1, 3), shape, shift, depth[:, 0])


def from_columns(six: Float[Tensor, "T 6"]) -> Float[Tensor, "T 3 3"]:
    """The rotation whose first two columns come nearest to the given ones."""
    first = nn.functional.normalize(six[:, :3], dim=-1)
    second = six[:, 3:] - (first * six[:, 3:]).sum(-1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def load(body: str) -> Lifter:
    """The lifter trained for a body model; it speaks of that body's shape and bends."""
    about, tensors = weights.read(weights.find(f"lifter_{body}.safetensors"))
    lifter = Lifter(LifterConfig(**about["config"]))
    lifter.load_state_dict({name: value.float() for name, value in tensors.items()})
    return lifter.eval()


@torch.no_grad()
def lift(lifter: Lifter, seen: Evidence) -> tuple[State, Float[Tensor, "T S"]]:
    """The lifter's last guess for every frame, in the fit's precision."""
    framing = Framing.of(seen.aim, seen.weight)
    fed = features(seen.aim, seen.weight, seen.world, framing)
    guess = lifter(fed.float())[-1]
    exact = Guess(**{name: value.double() for name, value in vars(guess).items()})
    return exact.state(framing), exact.shape
