"""`motion-imitate train hmr`: train Human Mesh Recovery for Anny's body."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies import load_body
from motion_imitate.estimators.blazepose import HIP_LANDMARKS
from motion_imitate.estimators.hmr import HMR_FORMS, Hmr, HmrConfig, HmrGuess, hmr_metadata
from motion_imitate.estimators.hmr_bodies import HmrBodies
from motion_imitate.estimators.lite0 import Lite0Encoder
from motion_imitate.synthesis.photo_damage import BatchRandom
from motion_imitate.training import hmr_losses
from motion_imitate.training.hmr_losses import BodyDiscriminator, HmrLossWeights
from motion_imitate.training.parsing_trunk import load_imagenet_trunk
from motion_imitate.training.person_crops import PersonCrops, crop_people
from motion_imitate.training.store_pairs import PairBatch, StorePairs
from pipelines.reporter import Reporter
from pipelines.train.optimizer import Learner, OptimizerSettings, PreviewRows
from pipelines.train.options import StoreTrainingOptions
from pipelines.train.store_loop import choose_loss_weights, run_store_training, small_network_pace

PUBLISHED_PACE = OptimizerSettings(1e-5, (0.9, 0.999), warm=1, most=1e6, critic_rate=1e-4, critic_betas=(0.9, 0.999))
SMALL_RATE = 5e-4  # lower than that of other small networks: the encoder comes trained
SMALL_LOSS_WEIGHTS = HmrLossWeights(adversarial=0.0)  # every body is known
TRAINED_FORMS = {"small": "small", "published": "published-anny"}
DOT_SIZE = 0.02  # of a keypoint in the preview, in image points
TRUE_COLOUR, GUESSED_COLOUR = (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class HmrObjective:
    """Losses of the last guess, and of every guess against a discriminator of poses and shapes."""

    config: HmrConfig
    bodies: HmrBodies
    held_out: PairBatch
    weights: HmrLossWeights

    def networks(self) -> Hmr:
        """An untrained network; a small encoder comes with its ImageNet weights."""
        net = Hmr(self.config)
        if isinstance(net.encoder, Lite0Encoder):
            load_imagenet_trunk(net.encoder)
        return net

    def critic(self) -> BodyDiscriminator | None:
        """An untrained discriminator, if its loss has a weight."""
        return BodyDiscriminator(self.config.rotations - 1, self.config.shapes) if self.weights.adversarial else None

    def measure(self, guess: HmrGuess, crops: PersonCrops) -> dict[str, Tensor]:
        """Losses by name."""
        at = self.bodies.landmarks(guess)
        return {
            "keypoints": hmr_losses.keypoint_loss(guess.project(at), crops.points, crops.visible),
            "joints": hmr_losses.joint_loss(at, crops.joints, HIP_LANDMARKS),
            "body": hmr_losses.body_loss(guess, crops.turns, crops.shape),
        }

    def train_step(self, learner: Learner, samples: PairBatch) -> dict[str, float]:
        """One step of the network on the source views, and of the discriminator if there is one."""
        generator = torch.Generator(samples.source.picture.device).manual_seed(learner.step)
        random = BatchRandom(generator, len(samples))
        with torch.no_grad():
            crops = crop_people(samples.source, self.bodies, self.config, random)
        guesses: list[HmrGuess] = learner.networks(crops.picture)
        wrong = self.measure(guesses[-1], crops)
        loss = torch.stack([getattr(self.weights, name) * value.mean() for name, value in wrong.items()]).sum()
        told = {"loss": float(loss.detach())} | {k: float(v.detach().mean()) for k, v in wrong.items()}
        if learner.critic:
            score = learner.critic.net
            doubt = sum(
                (hmr_losses.body_adversarial_loss(score(g.turns[:, 1:], g.shape)).mean() for g in guesses),
                loss.new_zeros(()),
            )
            told["adversarial"] = float(doubt.detach())
            loss = loss + self.weights.adversarial * doubt
        learner.improve_networks(loss)
        if learner.critic:
            real, made = (
                learner.critic(turns.detach()[:, 1:], shape.detach()).float()
                for turns, shape in ((crops.turns, crops.shape), (guesses[-1].turns, guesses[-1].shape))
            )
            off = hmr_losses.body_discriminator_loss(real, made).mean()
            learner.improve_critic(off)
            told["critic"] = float(off.detach())
        return told

    def render_preview(self, networks: Callable[..., list[HmrGuess]], samples: PairBatch) -> PreviewRows:
        """Held-out crops, with the true landmarks and with the guessed ones, and the guesses' losses."""
        crops = crop_people(self.held_out.source, self.bodies, self.config)
        guess = networks(crops.picture)[-1]
        at = self.bodies.landmarks(guess)
        wrong = {f"held out {name}": value for name, value in self.measure(guess, crops).items()}
        wrong["held out metres"] = distance_from_hips(at, crops.joints)
        true = mark_points(crops.picture, crops.points, TRUE_COLOUR)
        guessed = mark_points(crops.picture, guess.project(at), GUESSED_COLOUR)
        return PreviewRows(wrong, torch.cat([crops.picture, true, guessed], 3))


def distance_from_hips(points: Float[Tensor, "B K 3"], truth: Float[Tensor, "B K 3"]) -> Float[Tensor, " B"]:
    """Mean distance of landmarks in metres, both from the middle of the hips."""
    points, truth = (x - x[:, HIP_LANDMARKS].mean(1, keepdim=True) for x in (points, truth))
    return (points - truth).norm(dim=2).mean(1)


def mark_points(
    pictures: Float[Tensor, "B 3 s s"], points: Float[Tensor, "B K 2"], colour: tuple[float, float, float]
) -> Float[Tensor, "B 3 s s"]:
    """Pictures with a dot at each image point."""
    side = pictures.shape[3]
    at = (torch.arange(side, device=pictures.device) + 0.5) * 2 / side - 1
    across, down = ((points[:, :, axis, None] - at).abs() < DOT_SIZE for axis in (0, 1))
    dots = (down[..., :, None] & across[..., None, :]).any(1)[:, None]
    return torch.where(dots, pictures.new_tensor(colour)[:, None, None], pictures)


def run_hmr_training(folder: Path, store: Path, how: StoreTrainingOptions, reporter: Reporter) -> int:
    """Run `motion-imitate train hmr`; returns the exit code."""
    config = HMR_FORMS[TRAINED_FORMS[how.size]]
    bodies = HmrBodies(load_body(config.body))

    def make_objective(pairs: StorePairs, held_out: PairBatch, device: str) -> HmrObjective:
        weights = choose_loss_weights(HmrLossWeights() if how.size == "published" else SMALL_LOSS_WEIGHTS, how)
        return HmrObjective(config, bodies, held_out, weights)

    pace = PUBLISHED_PACE if how.size == "published" else replace(small_network_pace(how), rate=SMALL_RATE)
    return run_store_training(folder, store, how, make_objective, pace, hmr_metadata(config), reporter)
