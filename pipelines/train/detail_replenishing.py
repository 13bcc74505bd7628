"""`motion-imitate train drn`: train the detail-replenishing network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from motion_imitate.generators.detail_replenishing import (
    DETAIL_FORMS,
    DetailConfig,
    DetailOutput,
    DetailReplenishingNetworks,
    PairDiscriminators,
)
from motion_imitate.training import losses
from motion_imitate.training.detail_samples import DetailSample
from motion_imitate.training.pair_inputs import PERSON_REACH, CropPerception, alpha_loss, to_unit_range
from motion_imitate.training.store_pairs import PairBatch, StorePairs
from pipelines.reporter import Reporter
from pipelines.train.optimizer import Learner, OptimizerSettings, PreviewRows
from pipelines.train.options import StoreTrainingOptions
from pipelines.train.store_loop import choose_loss_weights, load_perception, run_store_training, small_network_pace

CRITIC_STEPS = 3  # of the discriminators, for each of the networks
PUBLISHED_PACE = OptimizerSettings(2e-4, (0.5, 0.999), warm=1, most=1e6, critic_rate=2e-4, critic_betas=(0.5, 0.999))


@dataclass(frozen=True)
class DetailLossWeights:
    """Loss weights; those of PATN where the paper gives none."""

    pixel: float = 1.0
    person: float = 0.0  # how much more pixels of the person count
    cover: float = 0.0
    perceptual: float = 1.0
    style: float = 10.0
    adversarial: float = 5.0


SMALL_WEIGHTS = DetailLossWeights(person=4.0, cover=0.2, perceptual=0.2, style=0.1, adversarial=0.0)


@dataclass(frozen=True)
class DetailObjective:
    """Losses of both branches, which take turns with the discriminators: the pose branch learns the coarse picture;
    both learn the picture with details; the discriminators learn three times."""

    config: DetailConfig
    held_out: PairBatch
    weights: DetailLossWeights
    perceive: CropPerception

    def networks(self) -> DetailReplenishingNetworks:
        """Untrained networks."""
        return DetailReplenishingNetworks(self.config)

    def critic(self) -> PairDiscriminators | None:
        """Untrained discriminators, if their loss has a weight."""
        return PairDiscriminators(self.config) if self.weights.adversarial else None

    def measure(self, drawn: Float[Tensor, "B O H W"], sample: DetailSample) -> dict[str, Tensor]:
        """Losses of a picture by name."""
        near = max_pool2d(sample.alpha, 2 * PERSON_REACH + 1, 1, PERSON_REACH)
        where = 1 + self.weights.person * near
        return {
            "pixel": losses.reconstruction_loss(drawn[:, :3], sample.truth, where),
            "cover": alpha_loss(drawn, sample.alpha),
        } | self.perceive(drawn[:, :3], sample.truth, sample.alpha)

    def weighted_loss(self, wrong: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the losses."""
        return torch.stack([float(getattr(self.weights, k)) * value.mean() for k, value in wrong.items()]).sum()

    def train_step(self, learner: Learner, samples: PairBatch) -> dict[str, float]:
        """One step of each in turn."""
        sample, net = DetailSample.of(samples, self.config.face_side), learner.networks.net
        assert isinstance(net, DetailReplenishingNetworks)
        with learner.networks.autocast():
            coarse = net.pose_branch(sample.given.photo, sample.given.poses)[0].float()
        first = {k: v for k, v in self.measure(coarse, sample).items() if k != "style"}
        coarse_loss = self.weighted_loss(first)
        learner.improve_networks(coarse_loss, [net.pose_branch])

        fine = learner.networks(sample.given).fine.float()
        wrong = self.measure(fine, sample)
        loss = self.weighted_loss(wrong)
        told = {f"coarse {k}": v for k, v in first.items()} | wrong | {"loss": coarse_loss + loss}
        behind = torch.cat([sample.given.photo, sample.given.poses.chunk(2, 1)[1]], 1)
        made = torch.cat([fine[:, :3], behind], 1)
        if learner.critic:
            doubt = losses.label_loss(learner.critic.score_frozen(made), 1.0)
            told["adversarial"] = doubt
            loss = loss + self.weighted_loss({"adversarial": doubt})
        learner.improve_networks(loss)
        if learner.critic:
            told["critic"] = self.train_critic(learner, torch.cat([sample.truth, behind], 1), made.detach())
        return {k: float(v.detach().mean()) for k, v in told.items()}

    def train_critic(self, learner: Learner, true: Tensor, made: Tensor) -> Tensor:
        """The discriminators' steps; returns the loss of the last."""
        assert learner.critic is not None
        for _ in range(CRITIC_STEPS):
            real, drawn = learner.critic(torch.cat([true, made])).float().chunk(2)
            off = (losses.label_loss(real, 1.0) + losses.label_loss(drawn, 0.0)).mean() / 2
            learner.improve_critic(self.weights.adversarial * off)
        return off

    def render_preview(self, networks: Callable[..., DetailOutput], samples: PairBatch) -> PreviewRows:
        """Photo, pose, coarse picture, picture with details and truth of held-out pairs, and their losses."""
        sample = DetailSample.of(self.held_out, self.config.face_side)
        made = networks(sample.given)
        wrong = {
            f"held out {name}{loss}": value
            for name, drawn in (("coarse ", made.coarse), ("", made.fine), ("copy ", sample.given.photo))
            for loss, value in self.measure(drawn, sample).items()
        }
        pose = 2 * sample.given.poses.chunk(2, 1)[1].amax(1, keepdim=True).expand(-1, 3, -1, -1) - 1
        shown = (sample.given.photo, pose, made.coarse, made.fine, sample.truth)
        return PreviewRows(wrong, torch.cat([to_unit_range(x) for x in shown], 3))


def run_detail_training(folder: Path, store: Path, how: StoreTrainingOptions, reporter: Reporter) -> int:
    """Run `motion-imitate train drn`; returns the exit code."""
    published = how.size == "published"

    def make_objective(pairs: StorePairs, held_out: PairBatch, device: str) -> DetailObjective:
        weights = choose_loss_weights(DetailLossWeights() if published else SMALL_WEIGHTS, how)
        return DetailObjective(DETAIL_FORMS[how.size], held_out, weights, load_perception(published, how, device))

    pace = PUBLISHED_PACE if published else small_network_pace(how)
    return run_store_training(folder, store, how, make_objective, pace, {"system": "drn"}, reporter)
