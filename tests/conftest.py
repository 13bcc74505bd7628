import signal

import jaxtyping
import pytest
import torch

torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background


@pytest.fixture
def unchecked_shapes(monkeypatch):
    """Shapes and types are not checked, which takes a quarter of the time of a whole render."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
