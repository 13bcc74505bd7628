"""`motion-imitate train retouch`: train the networks that correct what the geometric generator draws."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from motion_imitate.compositing.compose import compose_person
from motion_imitate.estimators.identity import FaceIdentityNet
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES, SID, TSF, OutputHeads
from motion_imitate.generators.retouch import (
    RetouchDraft,
    RetouchSettings,
    apply_corrections,
    fade_corrections,
    flows_into_crops,
)
from motion_imitate.training import losses
from motion_imitate.training.backbones import Backbone, load_backbone
from motion_imitate.training.samples import GroundTruth, RetouchSample, TrainingSampleSettings, make_retouch_sample
from motion_imitate.types import cat_batched
from pipelines.motion.estimate import check_device
from pipelines.reporter import Reporter
from pipelines.train.distributed import join_process_group
from pipelines.train.loop import LoopSettings, TrainingTask, load_training_pairs, run_training_loop
from pipelines.train.optimizer import ObjectiveOutput, OptimizerSettings, PreviewRows
from pipelines.train.options import RetouchOptions

UNMOVED_VIEW_PROBABILITY = 0.15  # probability that one of the views is the photo itself
TWO_PHOTO_PERIOD = 4  # one batch in this many has two photos


@dataclass(frozen=True)
class RetouchLossWeights:
    """Loss weights of the correction networks."""

    perceptual: float = 1.0
    colour: float = 4.0
    cover: float = 2.0
    face: float = 2.0
    identity: float = 0.5
    adversarial: float = 0.0


class RetouchNetworks(nn.Module):
    """SID and TSF of the small form, trained together."""

    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = SID(NETWORK_SHAPES["small"]), TSF(NETWORK_SHAPES["small"])

    def forward(
        self, samples: list[RetouchSample], how: RetouchSettings
    ) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
        """Corrected colour and cover of all views, at the views' size."""
        features = self.source.features(torch.stack([one.looked.picture for one in samples]))
        drafts = cat_batched([one.drafts for one in samples])
        ways = [flows_into_crops(one.drafts.drawn, one.looked.frame) for one in samples]
        flows, valid = (torch.cat(parts) for parts in zip(*ways, strict=True))
        heads = self.target(drafts.picture, features, flows, valid)
        made, start = [], 0
        for one in samples:
            part = slice(start, start := start + len(one.truth))
            said = fade_corrections(OutputHeads(*(head[part].float() for head in heads)), one.drafts.drawn, how)
            drawn = apply_corrections(one.drafts, said, how)
            made.append(compose_draft(RetouchDraft(one.drafts.picture, drawn), one))
        colour, cover = (torch.cat(parts) for parts in zip(*made, strict=True))
        return colour, cover


def compose_draft(draft: RetouchDraft, one: RetouchSample) -> tuple[Tensor, Tensor]:
    """Colour and cover of a drawing, composed with the sample's photos."""
    return compose_person(draft.drawn, one.palette, (draft.picture.shape[2], draft.picture.shape[3]))


def composite_on_true_background(made: tuple[Tensor, Tensor], truth: GroundTruth) -> Float[Tensor, "B 3 H W"]:
    """The drawing composited over the true background."""
    colour, cover = made
    return colour * cover + truth.behind * (1 - cover)


@dataclass(frozen=True)
class RetouchObjective:
    """Losses of the correction networks: drafts become what people really look like."""

    eyes: Backbone
    faces: FaceIdentityNet
    weights: RetouchLossWeights = field(default_factory=RetouchLossWeights)
    reach: int = 9  # pixels around the person that also count
    how: RetouchSettings = field(default_factory=RetouchSettings)

    def networks(self) -> RetouchNetworks:
        """Untrained networks."""
        return RetouchNetworks()

    def run_networks(
        self, networks: Callable[..., tuple[Tensor, Tensor]], samples: list[RetouchSample]
    ) -> ObjectiveOutput:
        """Losses of the networks on a batch, and the discriminator's inputs."""
        made = networks(samples, self.how)
        truth = cat_batched([one.truth for one in samples])
        shown = torch.cat([one.drafts.places for one in samples])
        seen, true = (
            torch.cat([2 * x - 1, shown], 1) for x in (composite_on_true_background(made, truth), truth.image)
        )
        return ObjectiveOutput(self.wrong(made, samples), seen, true)

    def wrong(self, made: tuple[Tensor, Tensor], samples: list[RetouchSample]) -> dict[str, Tensor]:
        """Losses by name, one number per view."""
        truth = cat_batched([one.truth for one in samples])
        started = torch.cat([one.drafts.drawn.cover for one in samples])
        where = max_pool2d(torch.maximum(truth.matte, started), 2 * self.reach + 1, 1, self.reach)
        picture = composite_on_true_background(made, truth)
        size = (picture.shape[2], picture.shape[3])
        return {
            "perceptual": losses.perceptual_loss(self.eyes, picture, truth.image, where),
            "colour": losses.reconstruction_loss(picture, truth.image, where),
            "cover": losses.reconstruction_loss(made[1], truth.matte, where),
            "face": losses.reconstruction_loss(picture, truth.image, losses.face_box_mask(truth.face, size)),
            "identity": losses.face_identity_loss(self.faces, picture, truth.image, truth.face),
        }

    def weighted_loss(self, wrong: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the losses."""
        return torch.stack([float(getattr(self.weights, k)) * value.mean() for k, value in wrong.items()]).sum()

    def render_preview(
        self, networks: Callable[..., tuple[Tensor, Tensor]], samples: list[RetouchSample]
    ) -> PreviewRows:
        """Photo, draft, corrected view and ground truth side by side, and the losses of the uncorrected drafts."""
        drafts = [compose_draft(one.drafts, one) for one in samples]
        before = (torch.cat([x[0] for x in drafts]), torch.cat([x[1] for x in drafts]))
        truth = cat_batched([one.truth for one in samples])
        made = composite_on_true_background(networks(samples, self.how), truth)
        photo = torch.cat([one.looked.picture[:1, :3].expand(len(one.truth), -1, -1, -1) for one in samples])
        rows = torch.cat([photo, composite_on_true_background(before, truth), made, truth.image], 3)
        return PreviewRows({f"unchanged {k}": v for k, v in self.wrong(before, samples).items()}, rows)


def make_packed_retouch_sample(how: RetouchOptions, lot: int, number: int) -> bytes:
    """The packed sample of that number; some batches use two photos."""
    photos = 2 if lot % TWO_PHOTO_PERIOD == TWO_PHOTO_PERIOD - 1 else 1
    return make_retouch_sample(
        load_training_pairs(how),
        number,
        TrainingSampleSettings(photos, still=UNMOVED_VIEW_PROBABILITY, retouch=RetouchSettings(size=how.size)),
    ).packed()


def collate_retouch_samples(device: str, some: list[bytes]) -> list[RetouchSample]:
    """Packed samples as a batch on the device."""
    return [RetouchSample.unpacked(one).to(device) for one in some]


def run_retouch_training(folder: Path, how: RetouchOptions, reporter: Reporter) -> int:
    """Run `motion-imitate train retouch`; returns the exit code."""
    load_training_pairs(how)  # fails early if a folder is wrong
    with join_process_group(how.device) as rank:
        check_device(rank.device)
        eyes: Backbone = load_backbone("efficientnet-lite0").to(rank.device)
        subject = RetouchObjective(eyes, FaceIdentityNet(rank.device), RetouchLossWeights(adversarial=how.adversarial))
        learning = LoopSettings(OptimizerSettings(after=how.adversarial_after))
        task = TrainingTask(
            subject,
            partial(make_packed_retouch_sample, how),
            partial(collate_retouch_samples, rank.device),
            learning,
            {"shape": "small"},
        )
        return run_training_loop(folder, how, task, rank, reporter)
