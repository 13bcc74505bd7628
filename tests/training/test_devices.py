"""A step of training stays on its device. The meta device computes nothing, but shows which tensors would meet."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.generators.corrections import PersonCrop
from motion_imitate.training.backbones import load_backbone
from motion_imitate.training.decoded_store import open_decoded_store
from motion_imitate.training.samples import CorrectionSample, GroundTruth
from motion_imitate.training.store_pairs import StorePairs
from motion_imitate.types import Draft
from pipelines.reporter import Reporter
from pipelines.train import store_loop
from pipelines.train.corrections import CorrectionObjective
from pipelines.train.due_systems import DUE_SYSTEMS
from pipelines.train.loop import build_learner
from pipelines.train.optimizer import NetworkOptimizer, OptimizerSettings
from pipelines.train.options import StoreTrainingOptions
from tests.support.one_device import OneDevice
from tests.support.oval_store import oval_store, write_oval_store

STORE_SYSTEMS = [name for name, system in DUE_SYSTEMS.items() if system.train is not None]


class MetaGenerator:
    """In the place of a generator of random numbers, which the meta device has none of."""

    def __init__(self, device="cpu"):
        self.device = torch.device(device)

    def manual_seed(self, _):
        return self


@pytest.fixture
def metadevice(monkeypatch):
    for name in ("rand", "randn", "randint"):
        plain = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *a, plain=plain, generator=None, **k: plain(*a, **k))
    monkeypatch.setattr(torch, "Generator", MetaGenerator)
    monkeypatch.setattr(torch.Tensor, "__float__", lambda _: 0.5)
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: True)
    monkeypatch.setattr(NetworkOptimizer, "autocast", lambda _: nullcontext())
    monkeypatch.setattr(store_loop, "check_device", lambda _: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    body = load_body()
    folder = tmp_path_factory.mktemp("devices") / "store"
    write_oval_store(folder, joints=len(body.skin.parents), shapes=len(body.skin.shape_dirs), size=(64, 48))
    return folder


def test_tensors_of_two_devices_are_noticed():
    with OneDevice(), pytest.raises(AssertionError, match="mm"):
        torch.zeros(2, 2, device="meta") @ torch.zeros(2, 2)


@pytest.mark.parametrize("name", STORE_SYSTEMS)
def test_a_step_and_its_preview_stay_on_the_device(name, store, tmp_path, metadevice, unchecked_shapes, monkeypatch):
    reached = []

    def take_one_step(folder, how, task, rank, reporter):
        subject = task.subject
        learner = build_learner(subject.networks(), subject.critic(), task.learning.pace, rank.device)
        samples = next(task.stream(0, rank))
        learner.learn(samples, subject)
        shown = subject.render_preview(torch.no_grad()(learner.networks.net), samples)
        reached.append({samples.source.picture.device.type, shown.rows.device.type})
        return 0

    monkeypatch.setattr(store_loop, "run_training_loop", take_one_step)
    with OneDevice():
        DUE_SYSTEMS[name].train(tmp_path, store, StoreTrainingOptions(device="meta", batch=2), Reporter())
    assert reached == [{"meta"}]


def test_a_step_of_the_corrections_stays_on_the_device(metadevice, unchecked_shapes):
    views, size = 2, (96, 64)
    maps = {3: torch.zeros(views, 3, *size), 1: torch.zeros(views, 1, *size)}
    draft = Draft(maps[3], maps[1], torch.zeros(views, *size, 2), maps[1], maps[3])
    truth = GroundTruth(maps[3], maps[1], maps[3], torch.zeros(views, 4))
    crop = PersonCrop(torch.zeros(1, 7, 96, 96), torch.zeros(1, 4))
    subject = CorrectionObjective(load_backbone("efficientnet-lite0").to("meta"))
    learner = build_learner(subject.networks(), None, OptimizerSettings(), "meta")
    with OneDevice():
        sample = CorrectionSample(crop, draft, truth).to("meta")
        learner.learn(sample.window(torch.tensor([0, 5]), torch.tensor([0, 0]), 64), subject)
        shown = subject.render_preview(torch.no_grad()(learner.networks.net), sample)
    assert shown.rows.device.type == "meta"


def test_a_store_goes_to_the_gpu_whole_or_not_at_all(monkeypatch):
    store, free = oval_store(), 10_000
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, free))
    assert store.to("cuda") is store
    assert {array.device.type for array in store.to("meta").arrays.values()} == {"meta"}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", STORE_SYSTEMS)
def test_a_gpu_in_bfloat16_learns_what_a_cpu_does(name, store, monkeypatch, tmp_path):
    told = {"cpu": {}, "cuda": {}}
    pairs = StorePairs.select(open_decoded_store(store), "learn").draw(torch.Generator().manual_seed(0), 8)
    for device, losses in told.items():

        def take_steps(folder, how, task, rank, reporter, losses=losses):
            torch.manual_seed(0)
            pace = replace(OptimizerSettings(), rate=task.learning.pace.rate)
            learner = build_learner(task.subject.networks(), None, pace, rank.device)
            steps = [learner.learn(pairs.to(rank.device), task.subject)["loss"] for _ in range(12)]
            losses["first"], losses["last"] = steps[0], steps[-1]
            return 0

        monkeypatch.setattr(store_loop, "run_training_loop", take_steps)
        DUE_SYSTEMS[name].train(tmp_path, store, StoreTrainingOptions(device=device, batch=8), Reporter())
    assert told["cuda"]["first"] == pytest.approx(told["cpu"]["first"], rel=0.05)
    assert told["cuda"]["last"] < 0.95 * told["cuda"]["first"]
