"""Which device a command computes on, and what it says of it."""

import pytest
import torch
from numba import cuda

from pipelines.device import announce_device, choose_device, find_gpu_fault
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter


@pytest.fixture
def machine(monkeypatch):
    """A machine on which torch and numba find a GPU, or not."""

    def set_up(torch_finds: bool, numba_finds: bool) -> None:
        find_gpu_fault.cache_clear()
        monkeypatch.setattr(torch.cuda, "is_available", lambda: torch_finds)
        monkeypatch.setattr(cuda, "is_available", lambda: numba_finds)

    yield set_up
    find_gpu_fault.cache_clear()


def test_auto_is_a_gpu_that_torch_and_numba_can_use(machine):
    machine(True, True)
    assert choose_device("auto") == "cuda"
    for found in ((False, False), (True, False), (False, True)):
        machine(*found)
        assert choose_device("auto") == "cpu"


def test_a_gpu_that_cannot_be_used_is_refused_with_what_is_missing(machine, monkeypatch):
    with pytest.raises(UsageError, match="choose cpu"):
        choose_device("cuda" if not torch.cuda.is_available() else "xpu")
    machine(True, False)
    monkeypatch.setattr("pipelines.device.check_device", lambda _: None)
    with pytest.raises(UsageError, match=r"motion-imitate\[cuda\]"):
        choose_device("cuda:0")
    assert choose_device("cpu") == "cpu"


def test_a_gpu_is_named_and_the_cpu_is_not(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA Painted")
    announce_device("cpu", Reporter())
    announce_device("cuda:0", Reporter(quiet=True))
    assert capsys.readouterr().err == ""
    announce_device("cuda:0", Reporter())
    assert "NVIDIA Painted" in capsys.readouterr().err
    announce_device("cuda", Reporter(json=True))
    assert '{"note": "using NVIDIA Painted' in capsys.readouterr().err
