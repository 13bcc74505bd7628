import gc
import signal

import jaxtyping
import pytest
import torch

from tests.support import sparing_checks

torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
gc.disable()  # while tests are collected: almost all that comes into being then stays


def pytest_collection_finish():
    gc.freeze()  # nobody looks for garbage among modules and tests
    gc.enable()


def pytest_runtest_setup():
    sparing_checks.TESTS[0] += 1


@pytest.fixture
def unchecked_shapes(monkeypatch):
    """Shapes and types are not checked, which takes a quarter of the time of a whole render."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
