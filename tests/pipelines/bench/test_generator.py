"""The measurements of a frame's drawing, on next to nothing: that they count and compare what they say."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from motion_imitate.generators.liquid_warping import NETWORK_SHAPES
from pipelines.bench import generator as bench_generator
from pipelines.bench.generator import (
    TimedWork,
    avatar_works,
    compare_works,
    count_operations,
    count_parameters,
    limit_threads,
    paper_works,
)
from tests.support.painted import MODEL, source, standing


@pytest.fixture
def quick(monkeypatch):
    nets = {
        part: replace(getattr(NETWORK_SHAPES["paper"], part), width=2) for part in ("source", "target", "background")
    }
    monkeypatch.setitem(NETWORK_SHAPES, "paper", replace(NETWORK_SHAPES["paper"], **nets))
    monkeypatch.setattr(bench_generator, "NETWORK_SIDE", 32)
    monkeypatch.setattr(bench_generator, "GENERATOR_REPEATS", 1)
    monkeypatch.setattr(bench_generator, "THREAD_COUNTS", (1,))


def test_operations_are_twice_the_multiplications_and_weights_are_counted_once():
    net = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    assert count_operations(lambda: net(torch.zeros(1, 3, 8, 7))) == 2 * 8 * 7 * 5 * 27
    assert count_parameters((net, nn.Linear(2, 2))) == 5 * 27 + 6


def test_threads_are_as_many_as_before_afterwards():
    before = torch.get_num_threads()
    with limit_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_what_takes_a_frame_is_told_beside_the_papers(quick):
    little = nn.Linear(1000, 20, bias=False)
    works = paper_works() | {
        "nothing": TimedWork(lambda: None),
        "little": TimedWork(lambda: little(torch.ones(1, 1000)), (little,)),
    }
    lines = list(compare_works(works))
    assert lines[0] == "1 thread"
    assert [line.strip().startswith(name) for line, name in zip(lines[1:], works, strict=True)] == [True] * 4
    assert "x1.000" in lines[1]
    assert "GFLOP" not in lines[3]
    assert lines[4].endswith("0.00 GFLOP   0.02 M weights")


def test_the_avatar_is_drawn_with_and_without_corrections(quick):
    works = avatar_works(source(standing(), size=(240, 160)), MODEL)
    assert list(works)[:2] == ["avatar", "avatar with corrections"]
    assert count_parameters(works["avatar with corrections"].weights) < 4e6
    with torch.inference_mode():
        *_, change = (work.does() for work in works.values())
    assert change.shape == (1, 4, 32, 32)
