"""What the tests of training share: samples are made in this process, when they are asked for."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest


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


@pytest.fixture(autouse=True)
def samples_in_process(request, monkeypatch):
    """Slow tests make them in processes, as users do."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr("pipelines.train.worker_samples.ProcessPoolExecutor", SamplesInProcess)
