"""`motion-imitate train liquid-warping`: train the published networks, which paint the whole person."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from motion_imitate.bodies import load_body
from motion_imitate.device_copy import copy_to_device
from motion_imitate.estimators.identity import FaceIdentityNet
from motion_imitate.generators.discriminator import Discriminator
from motion_imitate.generators.liquid_warping import (
    NETWORK_SHAPES,
    LiquidWarpingConfig,
    LiquidWarpingNetworks,
    LiquidWarpingOutput,
)
from motion_imitate.training import losses
from motion_imitate.training.backbones import Backbone, load_backbone
from motion_imitate.training.decoded_store import open_decoded_store
from motion_imitate.training.losses import PAPER_PERCEPTUAL, LossWeights, PerceptualSettings
from motion_imitate.training.painting_pairs import PaintingPairs
from motion_imitate.training.samples import PaintingSample, TrainingSampleSettings, make_painting_sample
from motion_imitate.training.store_pairs import StorePairs
from motion_imitate.types import BodyModel, cat_batched
from pipelines.device import check_device
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from pipelines.synthesize.people import portrait_width
from pipelines.train.distributed import ProcessRank, join_process_group
from pipelines.train.loop import LoopSettings, TrainingTask, run_training_loop
from pipelines.train.optimizer import Learner, ObjectiveOutput, OptimizerSettings, PreviewRows, train_against_critic
from pipelines.train.options import LiquidWarpingOptions, StoreTrainingOptions
from pipelines.train.store_loop import stream_store_pairs
from pipelines.train.worker_samples import (
    WorkerSamples,
    check_discriminator_size,
    describe_training_people,
    load_training_pairs,
)

PaintingStream = Callable[[int, ProcessRank], Generator[PaintingSample]]
NO_GRADIENT_CLIPPING = 1e6  # a gradient norm that is never reached: the papers don't clip gradients
PUBLISHED_OPTIMIZERS = {
    "paper": OptimizerSettings(
        2e-4, (0.5, 0.999), 1, NO_GRADIENT_CLIPPING, falls=(24_000, 145_000)
    ),  # the paper's 5 and 30 epochs, in steps
    "attention": OptimizerSettings(
        1e-4, (0.9, 0.999), 1, NO_GRADIENT_CLIPPING, critic_rate=1e-4, critic_betas=(0.9, 0.999)
    ),
}
PERCEPTUAL_BY_BACKBONE = {"vgg19": PAPER_PERCEPTUAL, "efficientnet-lite0": PerceptualSettings()}


@dataclass(frozen=True)
class PaintingObjective:
    """Losses of the published networks, which paint the person of the photos in a new view, and the background."""

    eyes: Backbone
    faces: FaceIdentityNet
    shape: LiquidWarpingConfig
    perceiving: PerceptualSettings = field(default_factory=PerceptualSettings)
    weights: LossWeights = field(default_factory=LossWeights)

    def networks(self) -> LiquidWarpingNetworks:
        """Untrained networks of this shape."""
        return LiquidWarpingNetworks(self.shape)

    def critic(self) -> Discriminator | None:
        """The discriminator of the Liquid Warping GAN, if its loss has a weight."""
        return Discriminator() if self.weights.adversarial else None

    def train_step(self, learner: Learner, samples: PaintingSample) -> dict[str, float]:
        """One step of the networks, and of the discriminator if there is one."""
        return train_against_critic(learner, self, samples)

    def run_networks(self, networks: Callable[..., LiquidWarpingOutput], samples: PaintingSample) -> ObjectiveOutput:
        """Losses of the networks on a batch, and the discriminator's inputs."""
        pairs, truth = samples.pairs, samples.truth
        made = networks(pairs).map(Tensor.float)
        again, masks = made.source.flatten(0, 1), (made.source_mask.flatten(0, 1), made.target_mask)
        true_masks = ((pairs.person.flatten(0, 1) < 0.5).to(truth.matte), 1 - truth.matte)
        wrong = {
            "reconstruction": losses.reconstruction_loss(again, pairs.image.flatten(0, 1)),
            "perceptual": losses.perceptual_loss(self.eyes, made.target, truth.image, how=self.perceiving),
            "face": losses.face_identity_loss(self.faces, made.target, truth.image, truth.face),
            "mask": losses.mask_loss(torch.cat(masks), torch.cat(true_masks)),
            "smooth": losses.smoothness_loss(torch.cat(masks)),
        }
        seen, true = (torch.cat([2 * x - 1, pairs.target], 1) for x in (made.target, truth.image))
        return ObjectiveOutput(wrong, seen, true)

    def weighted_loss(self, wrong: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the losses."""
        return losses.weighted_loss_sum(wrong, self.weights)

    def render_preview(self, networks: Callable[..., LiquidWarpingOutput], samples: PaintingSample) -> PreviewRows:
        """Photo, inpainted background, painted view and ground truth, side by side."""
        made = networks(samples.pairs)
        rows = torch.cat([samples.pairs.image[:, 0], made.background, made.target, samples.truth.image], 3)
        return PreviewRows({}, rows)


def make_packed_painting_sample(how: LiquidWarpingOptions, lot: int, number: int) -> bytes:
    """The packed sample of that number; the batch index does not matter here."""
    return make_painting_sample(
        load_training_pairs(how, how.photos + 1, how.size), number, TrainingSampleSettings(how.photos)
    ).packed()


def collate_painting_samples(device: str, some: list[bytes]) -> PaintingSample:
    """A batch of packed samples on the device."""
    return cat_batched([PaintingSample.unpacked(one) for one in some]).to(device)


def stream_new_paintings(how: LiquidWarpingOptions, device: str) -> tuple[PaintingStream, dict[str, Any]]:
    """Samples of new people, which worker processes make; and which people they are."""
    check_discriminator_size(portrait_width(how.size))
    load_training_pairs(how, how.photos + 1, how.size)  # fails early if a folder is wrong
    samples = WorkerSamples(how, partial(make_packed_painting_sample, how), partial(collate_painting_samples, device))
    return samples.stream, describe_training_people(how)


def stream_store_paintings(
    store: Path, how: LiquidWarpingOptions, device: str
) -> tuple[PaintingStream, dict[str, Any]]:
    """Samples of a store's people, as many pairs in a step as there would be people; and which people they are."""
    if how.photos != 1:
        raise UsageError("--store gives one photo of each person; leave --photos out")
    decoded = open_decoded_store(store).to(device)
    pairs = StorePairs.select(decoded, "learn", device)
    check_discriminator_size(min(pairs.size))
    maker = PaintingPairs.of(copy_to_device(cast(BodyModel, load_body()), device))

    def stream(first: int, rank: ProcessRank) -> Generator[PaintingSample]:
        drawn = stream_store_pairs(pairs, StoreTrainingOptions(seed=how.seed, batch=how.people), first, rank)
        return (maker.make_sample(some) for some in drawn)

    return stream, {"size": list(pairs.size), "people": len(pairs.people), "batch": how.people}


def run_liquid_warping_training(folder: Path, how: LiquidWarpingOptions, reporter: Reporter) -> int:
    """Run `motion-imitate train liquid-warping`; returns the exit code."""
    with join_process_group(how.device) as rank:
        check_device(rank.device)
        if how.store is None:
            stream, people = stream_new_paintings(how, rank.device)
        else:
            stream, people = stream_store_paintings(how.store, how, rank.device)
        eyes: Backbone = load_backbone(how.backbone, how.backbone_weights).to(rank.device)
        subject = PaintingObjective(
            eyes, FaceIdentityNet(rank.device), NETWORK_SHAPES[how.shape], PERCEPTUAL_BY_BACKBONE[how.backbone]
        )
        learning = LoopSettings(PUBLISHED_OPTIMIZERS[how.shape], least=300)
        about = {"shape": how.shape, "photos": how.photos, "backbone": how.backbone}
        return run_training_loop(folder, how, TrainingTask(subject, stream, learning, about | people), rank, reporter)
