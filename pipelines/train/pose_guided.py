"""`motion-imitate train pg2`: train the two stages of pose-guided person generation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from motion_imitate.generators.pose_guided import (
    PictureDiscriminator,
    PoseGuidedConfig,
    PoseGuidedNetworks,
    PoseGuidedOutput,
    pose_guided_form,
)
from motion_imitate.generators.pose_maps import draw_disc_maps, draw_pose_mask, openpose_points
from motion_imitate.training.losses import reconstruction_loss
from motion_imitate.training.pair_inputs import (
    CropPerception,
    alpha_loss,
    photo_over_grey,
    to_unit_range,
    truth_over_grey,
)
from motion_imitate.training.store_pairs import PairBatch, StorePairs
from motion_imitate.types import Batched
from pipelines.reporter import Reporter
from pipelines.train.optimizer import Learner, OptimizerSettings, PreviewRows
from pipelines.train.options import StoreTrainingOptions
from pipelines.train.store_loop import choose_loss_weights, load_perception, run_store_training, small_network_pace

FIRST_STAGE_STEPS = 30_000  # of G1 alone, as published
TALL_PICTURE = 256  # pixels, from where on the second stage's pixel loss counts 50 instead of 10
PUBLISHED_PACE = OptimizerSettings(2e-5, (0.5, 0.999), warm=1, most=1e6, critic_rate=2e-5, after=FIRST_STAGE_STEPS)


@dataclass(frozen=True)
class PoseGuidedLossWeights:
    """Loss weights of both stages."""

    coarse: float = 1.0
    fine: float = 1.0
    cover: float = 0.2
    perceptual: float = 0.2
    adversarial: float = 0.0


def published_loss_weights(height: int) -> PoseGuidedLossWeights:
    """The published weights for pictures of this height."""
    return PoseGuidedLossWeights(1.0, 50.0 if height >= TALL_PICTURE else 10.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class PoseGuidedSample(Batched):
    """A batch as the networks see it, in [-1, 1] over grey."""

    photo: Float[Tensor, "B 3 H W"]
    pose: Float[Tensor, "B 18 H W"]
    truth: Float[Tensor, "B 3 H W"]
    alpha: Float[Tensor, "B 1 H W"]
    mask: Float[Tensor, "B 1 H W"]  # the pose mask

    @classmethod
    def of(cls, pairs: PairBatch) -> "PoseGuidedSample":
        """The networks' view of pairs."""
        target = pairs.target
        size = (target.colour.shape[2], target.colour.shape[3])
        points, present = openpose_points(target.points, target.visible)
        pose, mask = draw_disc_maps(points, present, size), draw_pose_mask(points, present, size)
        return cls(photo_over_grey(pairs.source), pose, truth_over_grey(target), target.alpha, mask)


@dataclass(frozen=True)
class PoseGuidedObjective:
    """Losses of both stages. The first is trained alone up to `pace.after`, then the second alone; or both at once if
    that is 0."""

    config: PoseGuidedConfig
    held_out: PairBatch
    weights: PoseGuidedLossWeights
    perceive: CropPerception | None = None

    def networks(self) -> PoseGuidedNetworks:
        """Untrained networks."""
        return PoseGuidedNetworks(self.config)

    def critic(self) -> PictureDiscriminator | None:
        """An untrained discriminator, if its loss has a weight."""
        return PictureDiscriminator(self.config) if self.weights.adversarial else None

    def measure(self, made: PoseGuidedOutput, sample: PoseGuidedSample) -> dict[str, Tensor]:
        """Losses by name: those of the first stage, then those of the second."""
        weight = 1 + sample.mask
        coarse, fine = ((x[:, :3] - sample.truth).abs().mul(weight).mean((1, 2, 3)) for x in (made.coarse, made.fine))
        return {"coarse": coarse, "coarse cover": alpha_loss(made.coarse, sample.alpha), "fine": fine} | {
            "cover": alpha_loss(made.fine, sample.alpha)
        }

    def train_step(self, learner: Learner, samples: PairBatch) -> dict[str, float]:
        """One step of the stages under training, and of the discriminator once the second is."""
        sample, alone = PoseGuidedSample.of(samples), learner.pace.after
        first, second = learner.step < alone or not alone, learner.step >= alone
        net, weights = learner.networks.net, self.weights
        assert isinstance(net, PoseGuidedNetworks)
        made = learner.networks(sample.photo, sample.pose).map(Tensor.float)
        wrong = self.measure(made, sample)
        loss = sample.photo.new_zeros(())
        if first:
            loss = loss + weights.coarse * wrong["coarse"].mean() + weights.cover * wrong["coarse cover"].mean()
        if second:
            loss = loss + weights.fine * wrong["fine"].mean() + weights.cover * wrong["cover"].mean()
            if self.perceive:
                wrong["perceptual"] = self.perceive(made.fine[:, :3], sample.truth, sample.alpha)["perceptual"]
                loss = loss + weights.perceptual * wrong["perceptual"].mean()
        told = {"loss": float(loss.detach())} | {k: float(v.detach().mean()) for k, v in wrong.items()}
        triple = torch.cat([sample.truth, made.fine[:, :3], sample.photo])
        if second and learner.critic:
            score = learner.critic.score_frozen(triple).chunk(3)[1]
            doubt = binary_cross_entropy_with_logits(score, torch.ones_like(score))
            told["adversarial"] = float(doubt.detach())
            loss = loss + weights.adversarial * doubt
        parts = [part for part, on in ((net.integration, first), (net.refinement, second)) if on]
        learner.improve_networks(loss, parts)
        if second and learner.critic:
            off = picture_discriminator_loss(*learner.critic(triple.detach()).float().chunk(3))
            learner.improve_critic(off)
            told["critic"] = float(off.detach())
        return told

    def render_preview(self, networks: Callable[..., PoseGuidedOutput], samples: PairBatch) -> PreviewRows:
        """Photo, pose, both stages and truth of held-out pairs side by side, and their losses."""
        sample = PoseGuidedSample.of(self.held_out)
        made = networks(sample.photo, sample.pose)
        wrong = {f"held out {name}": value for name, value in self.measure(made, sample).items()}
        wrong["held out copy"] = reconstruction_loss(sample.photo, sample.truth, 1 + sample.mask)
        pose = sample.pose.amax(1, keepdim=True).expand(-1, 3, -1, -1)
        shown = (sample.photo, pose, made.coarse, made.fine, sample.truth)
        return PreviewRows(wrong, torch.cat([to_unit_range(x) for x in shown], 3))


def picture_discriminator_loss(
    true: Float[Tensor, "B 1"], made: Float[Tensor, "B 1"], source: Float[Tensor, "B 1"]
) -> Float[Tensor, ""]:
    """Cross entropy of scores; drawn pictures and the sources themselves are both negatives."""
    real, *negatives = (
        binary_cross_entropy_with_logits(score, torch.full_like(score, label))
        for score, label in ((true, 1.0), (made, 0.0), (source, 0.0))
    )
    return 0.5 * real + 0.25 * (negatives[0] + negatives[1])


def run_pose_guided_training(folder: Path, store: Path, how: StoreTrainingOptions, reporter: Reporter) -> int:
    """Run `motion-imitate train pg2`; returns the exit code."""

    def make_objective(pairs: StorePairs, held_out: PairBatch, device: str) -> PoseGuidedObjective:
        config, published = pose_guided_form(how.size, pairs.size), how.size == "published"
        own = published_loss_weights(pairs.size[0]) if published else PoseGuidedLossWeights()
        weights = choose_loss_weights(own, how)
        perceive = load_perception(False, how, device) if weights.perceptual else None
        return PoseGuidedObjective(config, held_out, weights, perceive)

    pace = PUBLISHED_PACE if how.size == "published" else small_network_pace(how)
    return run_store_training(folder, store, how, make_objective, pace, {"system": "pg2"}, reporter)
