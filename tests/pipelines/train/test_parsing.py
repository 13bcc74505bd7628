"""Facts of the training of the parsing network."""

from dataclasses import fields
from importlib.util import find_spec

import pytest
import torch

from motion_imitate.avatar.parsing_net import load_parsing_net
from motion_imitate.synthesis.photo_damage import BatchRandom, FigureBatch, make_parsing_samples
from motion_imitate.training.backbones import LITE0_PACKAGE
from motion_imitate.weights import read_weights
from pipelines.train.parsing.options import ParsingTrainOptions
from pipelines.train.parsing.pool import DevicePool, write_rows_cyclic
from pipelines.train.parsing.trainer import CHECKPOINT_FILE, WEIGHTS_FILE, ParsingTrainer

packaged = pytest.mark.skipif(not find_spec(LITE0_PACKAGE), reason="the extra [train] is absent")


def random_figures(count: int) -> FigureBatch:
    random = torch.Generator().manual_seed(0)
    alpha = torch.zeros(count, 64, 48, dtype=torch.uint8)
    alpha[:, 10:55, 15:35] = 255
    colour = torch.randint(0, 256, (count, 3, 64, 48), generator=random, dtype=torch.uint8)
    label = (alpha > 0).byte()
    return FigureBatch(colour * label[:, None], alpha, label, label, label, label * 128)


@packaged
def test_a_step_changes_the_weights_and_survives_gradients_that_are_not_finite(tmp_path):
    how = ParsingTrainOptions(tmp_path, device="cpu", batch=2, warm=1)
    trainer = ParsingTrainer(how)
    scenes = torch.randint(0, 256, (2, 3, 64, 48), dtype=torch.uint8)
    samples = make_parsing_samples(random_figures(2), scenes, BatchRandom(torch.Generator().manual_seed(0), 2))
    before = trainer.net.head.weight.detach().clone()
    trainer.net.head.bias.register_hook(lambda gradient: gradient * torch.nan)
    assert trainer.train_step(samples, 0.0)["loss"].isfinite()
    assert not torch.equal(trainer.net.head.weight, before)
    assert all(values.isfinite().all() for values in trainer.net.state_dict().values())
    trainer.save_weights(tmp_path, {"complete": True})
    load_parsing_net(tmp_path / WEIGHTS_FILE)
    about, checkpoint = read_weights(tmp_path / CHECKPOINT_FILE)
    assert about["step"] == 1
    assert checkpoint.keys() == trainer.net.state_dict().keys()


def test_a_full_pool_replaces_its_oldest_rows():
    pool, start = torch.zeros(4, 1), 0
    for first in (1, 4):
        start = write_rows_cyclic(pool, torch.arange(first, first + 3.0)[:, None], start)
    assert start == 6
    assert pool[:, 0].tolist() == [5.0, 6.0, 3.0, 4.0]


def test_a_pool_holds_all_fields_of_pictures():
    pool = DevicePool((64, 48), 3, 2, "cpu")
    assert len(pool) == 0
    assert {f.name for f in fields(FigureBatch)} == set(vars(pool.figures))
    assert pool.figures.colour.shape == (3, 3, 64, 48)
