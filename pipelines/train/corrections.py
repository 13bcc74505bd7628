"""`motion-imitate train corrections`: train the networks that correct the avatar's picture."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from motion_imitate.avatar.parsing_net import ParsingNet, load_parsing_net
from motion_imitate.files import raise_output_errors, write_bytes_atomically
from motion_imitate.generators.corrections import CorrectionNetworks, apply_corrections
from motion_imitate.generators.discriminator import Discriminator
from motion_imitate.synthesis.pairs import PeoplePool, SyntheticDataset
from motion_imitate.training import losses
from motion_imitate.training.backbones import Backbone, load_backbone
from motion_imitate.training.samples import CorrectionSample, GroundTruth, make_correction_sample
from pipelines.device import check_device
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from pipelines.synthesize.people import portrait_width, training_sampling
from pipelines.train.distributed import join_process_group
from pipelines.train.loop import LoopSettings, TrainingTask, run_training_loop
from pipelines.train.optimizer import Learner, ObjectiveOutput, OptimizerSettings, PreviewRows, train_against_critic
from pipelines.train.options import CorrectionOptions
from pipelines.train.worker_samples import (
    WorkerSamples,
    check_discriminator_size,
    describe_training_people,
    load_training_pairs,
)

PHOTO_SCALE = 1.5  # size of the photo over that of the drafts
VIEWS = 12  # of each avatar, which takes longer to build than they take to draw
VIEW_STEP = 4  # a step sees every fourth view of each person
STEPS_PER_LOT = 8  # on the same people: each view is seen twice
HELD_OUT_PEOPLE, HELD_OUT_VIEWS = 4, 2  # of the preview
SAMPLE_SETTINGS_FILE = "settings.json"
SAMPLE_OPTIONS = ("seed", "makehuman", "motions", "backgrounds", "part", "size")  # on which kept samples depend


@dataclass(frozen=True)
class CorrectionLossWeights:
    """Loss weights of the correction networks."""

    perceptual: float = 1.0
    colour: float = 4.0
    cover: float = 2.0
    face: float = 2.0
    adversarial: float = 0.0


def composite_on_true_background(
    corrected: Float[Tensor, "B 4 H W"], truth: GroundTruth
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
    """Corrected drafts over the true background, and their cover."""
    return corrected[:, :3] + truth.behind * (1 - corrected[:, 3:]), corrected[:, 3:]


@dataclass(frozen=True)
class CorrectionObjective:
    """Losses of the correction networks: drafts become what people really look like."""

    eyes: Backbone
    held_out: CorrectionSample | None = None  # for the preview; without them it shows the training samples
    weights: CorrectionLossWeights = field(default_factory=CorrectionLossWeights)
    reach: int = 9  # pixels around the person that also count

    def networks(self) -> CorrectionNetworks:
        """Untrained networks."""
        return CorrectionNetworks()

    def critic(self) -> Discriminator | None:
        """The discriminator of the Liquid Warping GAN, if its loss has a weight."""
        return Discriminator() if self.weights.adversarial else None

    def train_step(self, learner: Learner, samples: CorrectionSample) -> dict[str, float]:
        """One step of the networks, and of the discriminator if there is one."""
        return train_against_critic(learner, self, samples)

    def run_networks(self, networks: Callable[..., Tensor], samples: CorrectionSample) -> ObjectiveOutput:
        """Losses of the networks on a batch, and the discriminator's inputs."""
        made = self.correct(networks, samples)
        seen, true = (
            torch.cat([2 * x - 1, samples.draft.position], 1)
            for x in (composite_on_true_background(made, samples.truth)[0], samples.truth.image)
        )
        return ObjectiveOutput(self.wrong(made, samples), seen, true)

    def correct(self, networks: Callable[..., Tensor], samples: CorrectionSample) -> Float[Tensor, "B 4 H W"]:
        """Corrected drafts: premultiplied colour and cover."""
        return apply_corrections(samples.draft, networks(samples.crop, samples.draft).float())

    def wrong(self, made: Float[Tensor, "B 4 H W"], samples: CorrectionSample) -> dict[str, Tensor]:
        """Losses by name, one number per view."""
        truth = samples.truth
        where = losses.largest_around(torch.maximum(truth.matte, samples.draft.cover), self.reach)
        picture, cover = composite_on_true_background(made, truth)
        face = losses.face_box_mask(truth.face, (picture.shape[2], picture.shape[3]))
        return {
            "perceptual": losses.perceptual_loss(self.eyes, picture, truth.image, where),
            "colour": losses.reconstruction_loss(picture, truth.image, where),
            "cover": losses.reconstruction_loss(cover, truth.matte, where),
            "face": losses.reconstruction_loss(picture, truth.image, face),
        }

    def weighted_loss(self, wrong: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the losses."""
        return torch.stack([float(getattr(self.weights, k)) * value.mean() for k, value in wrong.items()]).sum()

    def render_preview(self, networks: Callable[..., Tensor], samples: CorrectionSample) -> PreviewRows:
        """Photo, draft, corrected draft and truth of held-out views side by side, and their losses."""
        shown = self.held_out or samples
        before, after = torch.cat([shown.draft.colour, shown.draft.cover], 1), self.correct(networks, shown)
        size = (before.shape[2], before.shape[2])
        photo = interpolate(shown.crop.picture[:, :3], size).repeat_interleave(len(before) // len(shown.crop), 0)
        drawn = [composite_on_true_background(x, shown.truth)[0] for x in (before, after)]
        wrong = {
            f"{name} {loss}": value
            for name, made in (("draft", before), ("corrected", after))
            for loss, value in self.wrong(made, shown).items()
        }
        return PreviewRows(wrong, torch.cat([photo, *drawn, shown.truth.image], 3))


@cache
def load_parsing_once() -> ParsingNet:
    """The parsing network, loaded once per process."""
    return load_parsing_net()


def make_packed_correction_sample(how: CorrectionOptions, lot: int, number: int) -> bytes:
    """The packed sample of that number; the batch index does not matter here."""
    pairs = load_training_pairs(how, VIEWS + 1, round(PHOTO_SCALE * how.size))
    return make_correction_sample(pairs, load_parsing_once(), number, how.size).packed()


@lru_cache(maxsize=1)
def load_single_people(how: CorrectionOptions) -> SyntheticDataset:
    """As `load_training_pairs`, but each sample shows another person."""
    pairs = load_training_pairs(how, VIEWS + 1, round(PHOTO_SCALE * how.size))
    return SyntheticDataset(pairs.body, replace(pairs.how, casting=PeoplePool(1, 1)), how.seed)


def read_kept_sample(folder: Path, how: CorrectionOptions, _: int, number: int) -> bytes:
    """A sample of `how.kept` people, in another order each time round; made if the folder has it not."""
    turn, at = divmod(number, how.kept)
    chosen = int(np.random.default_rng([how.seed, turn]).permutation(how.kept)[at])
    path = folder / f"sample_{chosen:06d}.safetensors"
    if path.exists():
        return path.read_bytes()
    packed = make_correction_sample(load_single_people(how), load_parsing_once(), chosen, how.size).packed()
    write_bytes_atomically(path, packed)
    return packed


def open_sample_folder(folder: Path, how: CorrectionOptions) -> None:
    """Create the folder of kept samples, or refuse one with others."""
    described = json.dumps({name: str(getattr(how, name)) for name in SAMPLE_OPTIONS}, indent=1) + "\n"
    path = folder / SAMPLE_SETTINGS_FILE
    with raise_output_errors(folder):
        folder.mkdir(exist_ok=True)
        if not path.exists():
            write_bytes_atomically(path, described.encode())
    if path.read_text() != described:
        raise UsageError(f"{folder} keeps samples of other options ({path}); give the same ones, or another folder")


def collate_correction_samples(device: str, some: list[bytes]) -> CorrectionSample:
    """Packed samples as a batch on the device."""
    return CorrectionSample.joined([CorrectionSample.unpacked(one) for one in some]).to(device)


def select_views(samples: CorrectionSample, step: int) -> CorrectionSample:
    """The views that a step on the samples sees."""
    return samples.views(step % VIEW_STEP, VIEW_STEP)


def select_crops(how: CorrectionOptions, samples: CorrectionSample, step: int) -> CorrectionSample:
    """A random part, with some of the person, of each view that a step sees."""
    views = select_views(samples, step)
    height, width = views.draft.cover.shape[2:]
    side = min(how.crop, height, width)
    random = np.random.default_rng([how.seed, step])
    tops, lefts = [], []
    for matte in views.truth.matte[:, 0].cpu():
        rows, columns = (matte > 0.5).nonzero(as_tuple=True)
        at = int(random.integers(max(1, len(rows))))
        row, column = (int(axis[at]) if len(rows) else 0 for axis in (rows, columns))
        tops.append(min(max(0, row - int(random.integers(side))), height - side))
        lefts.append(min(max(0, column - int(random.integers(side))), width - side))
    return views.window(torch.tensor(tops), torch.tensor(lefts), side)


def make_held_out_views(how: CorrectionOptions, device: str) -> CorrectionSample:
    """Views of people made from held-out assets."""
    held = replace(how, part="held")
    casting = training_sampling(held, how.size).casting
    numbers = (k * casting.people * casting.each for k in range(HELD_OUT_PEOPLE))  # of different people
    some = [make_packed_correction_sample(held, 0, number) for number in numbers]
    return collate_correction_samples(device, some).views(0, VIEWS // HELD_OUT_VIEWS)


def run_corrections_training(folder: Path, how: CorrectionOptions, reporter: Reporter) -> int:
    """Run `motion-imitate train corrections`; returns the exit code."""
    if how.adversarial:
        check_discriminator_size(portrait_width(how.size))
    with join_process_group(how.device) as rank:
        check_device(rank.device)
        eyes: Backbone = load_backbone("efficientnet-lite0").to(rank.device)
        weights = CorrectionLossWeights(adversarial=how.adversarial)
        subject = CorrectionObjective(eyes, make_held_out_views(how, rank.device), weights)
        learning = LoopSettings(OptimizerSettings(after=how.adversarial_after, cpu_bfloat16=True), least=300)
        make_sample = partial(make_packed_correction_sample, how)
        if how.samples is not None:
            open_sample_folder(how.samples, how)
            make_sample = partial(read_kept_sample, how.samples, how)
        collate = partial(collate_correction_samples, rank.device)
        samples = WorkerSamples(how, make_sample, collate, partial(select_crops, how), STEPS_PER_LOT)
        about = {"shape": "corrections"} | describe_training_people(how)
        task = TrainingTask(subject, samples.stream, learning, about)
        return run_training_loop(folder, how, task, rank, reporter)
