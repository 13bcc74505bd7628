"""Facts of the losses and scores of the parsing network."""

import pytest
import torch

from motion_imitate.avatar.parsing_net import ParsingInput, ParsingLogits
from motion_imitate.synthesis.photo_damage import ParsingSamples
from motion_imitate.training.parsing_losses import (
    ParsingLossWeights,
    confusion_matrix,
    label_edge_mask,
    label_ious,
    measure_parsing_losses,
)

SHAPE = (2, 16, 12)


def half_and_half() -> ParsingSamples:
    inputs = ParsingInput(
        *(torch.zeros(2, 3, 16, 12), torch.ones(2, 1, 16, 12), torch.zeros(SHAPE, dtype=torch.uint8)),
        *(torch.zeros(SHAPE, dtype=torch.uint8), torch.zeros(2), torch.zeros(2, 1, 16, 12), torch.zeros(2)),
    )
    label = torch.zeros(SHAPE, dtype=torch.uint8)
    label[:, :, 6:] = 1
    valid = torch.ones(2, 1, 16, 12)
    valid[:, :, 8:] = 0
    return ParsingSamples(inputs, label, label, label[:, None].float(), valid)


def logits_of(samples: ParsingSamples, right: float) -> ParsingLogits:
    layer, kind = (
        right * (2 * torch.nn.functional.one_hot(samples.layer.long(), count).movedim(-1, 1).float() - 1)
        for count in (8, 9)
    )
    return ParsingLogits(layer, kind, right * (2 * samples.alpha - 1))


def test_losses_vanish_for_the_truth_and_ignore_what_lies_outside_the_photo():
    samples = half_and_half()
    losses = measure_parsing_losses(logits_of(samples, 30.0), samples, ParsingLossWeights())
    assert all(float(loss) < 1e-3 for loss in losses.values())
    logits = logits_of(samples, 30.0)
    logits.layer[:, :, 8:] *= -1
    logits.alpha[:, :, 9:] *= -1
    assert float(measure_parsing_losses(logits, samples, ParsingLossWeights())["layer"]) < 1e-3
    wrong = measure_parsing_losses(logits_of(samples, -3.0), samples, ParsingLossWeights())
    assert float(wrong["loss"]) > 1


def test_overlaps_of_labels():
    true = torch.tensor([[[0, 0, 1, 1]]], dtype=torch.uint8)
    found = torch.tensor([[[0, 1, 1, 1]]], dtype=torch.uint8)
    scores = label_ious(confusion_matrix(found, true, torch.ones(1, 1, 1, 4), 3), ("a", "b", "c"))
    assert scores["a"] == pytest.approx(0.5)
    assert scores["b"] == pytest.approx(2 / 3, abs=1e-4)
    assert scores["c"] != scores["c"]


def test_edges_reach_two_pixels():
    assert label_edge_mask(half_and_half().layer)[0, 0].tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 4
