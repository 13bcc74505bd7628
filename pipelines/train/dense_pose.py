"""`motion-imitate train dense-pose`: train Dense Pose Transfer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import max_pool2d

from motion_imitate.generators.dense_pose_transfer import (
    DENSE_POSE_FORMS,
    SURFACE_CHANNELS,
    DensePoseConfig,
    DensePoseNetworks,
    DensePoseOutput,
    scale_parts,
)
from motion_imitate.generators.discriminator import Discriminator, DiscriminatorConfig
from motion_imitate.generators.part_atlas import scatter_to_atlas
from motion_imitate.training import losses
from motion_imitate.training.pair_inputs import (
    PERSON_REACH,
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

PRETRAINING_STEPS, PUBLISHED_STEPS = 20_000, 120_000  # of the first two networks, each by its own losses; of all
PUBLISHED_PACE = OptimizerSettings(
    2e-4,
    (0.5, 0.999),
    warm=1,
    most=1e6,
    after=PRETRAINING_STEPS,
    falls=(PUBLISHED_STEPS // 2, PUBLISHED_STEPS),
    last=0.0,
)
BACKGROUND_WEIGHT = 0.2  # of pixels away from the person, in the small form's pixel losses


@dataclass(frozen=True)
class DensePoseLossWeights:
    """Loss weights. Those of the paper were not published; these defaults are PATN's for the same losses."""

    predicted: float = 1.0
    texture: float = 1.0
    drawn: float = 1.0
    cover: float = 0.2
    perceptual: float = 1.0
    style: float = 10.0
    adversarial: float = 5.0


SMALL_LOSS_WEIGHTS = DensePoseLossWeights(perceptual=0.2, style=0.0, adversarial=0.0)


@dataclass(frozen=True)
class DensePoseSample(Batched):
    """A batch as the networks see it; pictures are in [-1, 1] over grey."""

    photo: Float[Tensor, "B 3 H W"]
    share: Float[Tensor, "B 1 H W"]  # the photo's matte
    source: Float[Tensor, "B 3 H W"]
    target: Float[Tensor, "B 3 H W"]
    truth: Float[Tensor, "B 3 H W"]
    alpha: Float[Tensor, "B 1 H W"]
    texture: Float[Tensor, "B 24 3 a a"]  # that the target view shows
    shown: Float[Tensor, "B 24 1 a a"]  # where it does

    @classmethod
    def of(cls, pairs: PairBatch, side: int) -> "DensePoseSample":
        """The networks' view of pairs. Surfaces are of the bare body; the true texture is of the dressed one."""
        source, target = pairs.source, pairs.target
        texture, shown = scatter_to_atlas(2 * target.picture - 1, surface_map(target.surface), target.alpha, side)
        return cls(
            photo_over_grey(source),
            source.matte,
            surface_map(source.seen_surface),
            surface_map(target.seen_surface),
            truth_over_grey(target),
            target.alpha,
            texture,
            shown,
        )


def surface_map(stored: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """A stored surface map with u and v in [0, 1]."""
    return torch.cat([stored[:, :1].float(), stored[:, 1:].float() / 255], 1)


@dataclass(frozen=True)
class DensePoseObjective:
    """Losses of all three networks. Up to `pace.after`, the first two are trained by their own losses alone."""

    config: DensePoseConfig
    held_out: PairBatch
    weights: DensePoseLossWeights
    perceive: CropPerception | None = None

    def networks(self) -> DensePoseNetworks:
        """Untrained networks."""
        return DensePoseNetworks(self.config)

    def critic(self) -> Discriminator | None:
        """An untrained discriminator of pictures and their surface maps, if its loss has a weight."""
        return Discriminator(DiscriminatorConfig(3 + SURFACE_CHANNELS)) if self.weights.adversarial else None

    def measure(self, made: DensePoseOutput, sample: DensePoseSample) -> dict[str, Tensor]:
        """Losses by name. Textures count where the target view shows them, pixels most near the person."""
        near = max_pool2d(sample.alpha, 2 * PERSON_REACH + 1, 1, PERSON_REACH)
        where = near.clamp(min=BACKGROUND_WEIGHT) if self.config.blending.outputs > 3 else None
        texture = ((made.texture - sample.texture).abs().mean(2, keepdim=True) * sample.shown).sum((1, 2, 3, 4))
        return {
            "predicted": losses.reconstruction_loss(made.predicted[:, :3], sample.truth, where),
            "texture": texture / sample.shown.sum((1, 2, 3, 4)).clamp(min=1),
            "drawn": losses.reconstruction_loss(made.drawn[:, :3], sample.truth, where),
            "cover": (alpha_loss(made.drawn, sample.alpha) + alpha_loss(made.predicted, sample.alpha)) / 2,
        }

    def train_step(self, learner: Learner, samples: PairBatch) -> dict[str, float]:
        """One step of the networks under training, and of the discriminator once the last one is."""
        sample = DensePoseSample.of(samples, self.config.atlas)
        net, whole = learner.networks.net, learner.step >= learner.pace.after
        made = learner.networks(sample.photo, sample.source, sample.target, sample.share).map(Tensor.float)
        wrong = self.measure(made, sample)
        if whole and self.perceive:
            wrong |= self.perceive(made.drawn[:, :3], sample.truth, sample.alpha)
        names = wrong if whole else ("predicted", "texture")
        loss = torch.stack([getattr(self.weights, name) * wrong[name].mean() for name in names]).sum()
        told = {"loss": float(loss.detach())} | {k: float(v.detach().mean()) for k, v in wrong.items()}
        fake, true = (torch.cat([x[:, :3], scale_parts(sample.target)], 1) for x in (made.drawn, sample.truth))
        if whole and learner.critic:
            doubt = losses.adversarial_loss(learner.critic.score_frozen(fake)).mean()
            told["adversarial"] = float(doubt.detach())
            loss = loss + self.weights.adversarial * doubt
        parts = [net.get_submodule(name) for name in ("predictive", "inpainting", *(["blending"] if whole else []))]
        learner.improve_networks(loss, parts)
        if whole and learner.critic:
            off = losses.discriminator_loss(*learner.critic(torch.cat([true, fake.detach()])).float().chunk(2)).mean()
            learner.improve_critic(off)
            told["critic"] = float(off.detach())
        return told

    def render_preview(self, networks: Callable[..., DensePoseOutput], samples: PairBatch) -> PreviewRows:
        """Photo, prediction, warped texture, result and truth of held-out pairs side by side, and their losses."""
        sample = DensePoseSample.of(self.held_out, self.config.atlas)
        made = networks(sample.photo, sample.source, sample.target, sample.share)
        wrong = {f"held out {name}": value for name, value in self.measure(made, sample).items()}
        shown = (sample.photo, made.predicted, made.warped, made.drawn, sample.truth)
        return PreviewRows(wrong, torch.cat([to_unit_range(x) for x in shown], 3))


def run_dense_pose_training(folder: Path, store: Path, how: StoreTrainingOptions, reporter: Reporter) -> int:
    """Run `motion-imitate train dense-pose`; returns the exit code."""
    config, published = DENSE_POSE_FORMS[how.size], how.size == "published"

    def make_objective(pairs: StorePairs, held_out: PairBatch, device: str) -> DensePoseObjective:
        weights = choose_loss_weights(DensePoseLossWeights() if published else SMALL_LOSS_WEIGHTS, how)
        return DensePoseObjective(config, held_out, weights, load_perception(published, how, device))

    pace = PUBLISHED_PACE if published else small_network_pace(how)
    return run_store_training(folder, store, how, make_objective, pace, {"system": "dense-pose"}, reporter)
