"""What the tests of training share: samples are made in this process, when they are asked for, and each once."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from motion_imitate.training import samples


@dataclass
class LaterResult:
    """In the place of a future: computed by who asks for it, so that nothing is made in vain."""

    call: Any
    given: tuple = field(default_factory=tuple)

    @cached_property
    def value(self):
        return self.call(*self.given)

    def result(self):
        return self.value


class SamplesInProcess:
    """In the place of a process pool."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, call, *given):
        return LaterResult(call, given)

    def shutdown(self, **_):
        pass


MADE = {}


def sample_once(pairs, net, number, side):
    """In the place of `make_correction_sample`: that it makes the same again is tested beside it."""
    key = repr(pairs.how), pairs.seed, number, side
    if key not in MADE:
        MADE[key] = samples.make_correction_sample(pairs, net, number, side)
    return MADE[key]


@pytest.fixture(autouse=True)
def samples_made_once(monkeypatch):
    monkeypatch.setattr("pipelines.train.corrections.make_correction_sample", sample_once)


@pytest.fixture(autouse=True)
def samples_in_process(request, monkeypatch):
    """Slow tests make them in processes, as users do."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr("pipelines.train.worker_samples.ProcessPoolExecutor", SamplesInProcess)
