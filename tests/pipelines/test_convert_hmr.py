"""Checkpoints of others become our files: the same numbers, and nothing in them runs."""

import pickle

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.estimators import hmr
from motion_imitate.estimators.hmr import HMR_FORMS, Hmr, load_hmr
from motion_imitate.estimators.resnet50 import ResNet50, ResNet50V2
from pipelines.build_assets.hmr import convert_hmr_file

SEED = torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Networks of a sixteenth of the width: the names are the same."""
    narrow = {"resnet50-v2": (lambda: ResNet50V2(4), 128), "resnet50": (lambda: ResNet50(4), 128)}
    monkeypatch.setattr(hmr, "ENCODERS", hmr.ENCODERS | narrow)


def network(form):
    torch.manual_seed(1)
    net = Hmr(HMR_FORMS[form]).eval()
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value += 0.01 * torch.randn_like(value)
        if "running_var" in name:
            value.abs_().add_(0.1)
    return net


def hmr_names(net):
    """A network's tensors as the PyTorch code of HMR names them, with a body model that is not asked for."""
    stored = {f"resnet.{k}": v for k, v in net.encoder.state_dict().items()}
    for name in ("fc1", "fc2", "fc3"):
        for part, value in getattr(net.regressor, name).state_dict().items():
            stored[f"regressor.fc_blocks.{name}.{part}"] = value
    return stored | {"regressor.mean_theta": net.regressor.mean.data, "smpl.v_template": torch.zeros(6890, 3)}


def from_spin(numbers):
    """SPIN's order of numbers, pose, shape, camera, with interleaved columns, from ours along the first axis."""
    camera, pose, shape = numbers.split([3, 144, 10])
    return torch.cat([pose.view(24, 2, 3, *numbers.shape[1:]).transpose(1, 2).reshape(pose.shape), shape, camera])


def spin_names(net):
    regressor, features = net.regressor, net.regressor.fc1.in_features - 157
    stored = dict(net.encoder.state_dict())
    inner = regressor.fc1.weight.data
    stored |= {
        "fc1.weight": torch.cat([inner[:, :features], from_spin(inner[:, features:].T).T], 1),
        "fc1.bias": regressor.fc1.bias.data,
    }
    stored |= {f"fc2.{k}": v for k, v in regressor.fc2.state_dict().items()}
    parts = {"pose": slice(0, 144), "shape": slice(144, 154), "cam": slice(154, 157)}
    for part, rows in parts.items():
        stored |= {f"dec{part}.{k}": from_spin(v)[rows] for k, v in regressor.fc3.state_dict().items()}
        stored[f"init_{part}"] = from_spin(regressor.mean.data)[rows][None]
    return {"model": stored, "optimizer": {"state": {}}, "epoch": 3}


WRITERS = {
    "a.pth": lambda path, stored: torch.save(stored, path),
    "a.npz": lambda path, stored: np.savez(path, **{k: v.numpy() for k, v in stored.items()}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_hmr_of_the_pytorch_code_gives_the_same_bodies(tmp_path, name):
    net = network("published")
    WRITERS[name](tmp_path / name, hmr_names(net))
    convert_hmr_file(tmp_path / name, tmp_path / "b.safetensors")
    check_same(net, load_hmr(tmp_path / "b.safetensors"))


def test_spin_gives_the_same_bodies_and_its_own_regressor_would_say_so(tmp_path):
    net = network("spin")
    stored = spin_names(net)
    torch.save(stored, tmp_path / "a.pt")
    convert_hmr_file(tmp_path / "a.pt", tmp_path / "b.safetensors")
    check_same(net, load_hmr(tmp_path / "b.safetensors"))
    check_same_as_spin(net, stored["model"])


def check_same(net, again):
    picture = torch.rand(2, 3, 224, 224, generator=SEED)
    for name in ("scale", "shift", "turns", "shape"):
        assert_close(getattr(again(picture)[-1], name), getattr(net(picture)[-1], name))


def check_same_as_spin(net, stored):
    """SPIN's own arithmetic on its own tensors: two layers without activation, three passes, three heads."""
    features = torch.rand(2, 128, generator=SEED)
    pose, shape, cam = (stored[f"init_{p}"].expand(2, -1) for p in ("pose", "shape", "cam"))
    for _ in range(3):
        x = torch.cat([features, pose, shape, cam], 1)
        for layer in ("fc1", "fc2"):
            x = x @ stored[f"{layer}.weight"].T + stored[f"{layer}.bias"]
        pose, shape, cam = (
            v + x @ stored[f"dec{p}.weight"].T + stored[f"dec{p}.bias"]
            for p, v in (("pose", pose), ("shape", shape), ("cam", cam))
        )
    guess = hmr.read_hmr_numbers(net.regressor(features)[-1], net.config)
    columns = pose.view(-1, 3, 2)
    assert_close(guess.turns.view(-1, 3, 3)[..., 0], torch.nn.functional.normalize(columns[..., 0]))
    assert_close(guess.shape, shape)
    assert_close(torch.cat([guess.scale[:, None], guess.shift], 1), cam)


class Runs:
    """Pickles as a call that creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, write):
    write({"model": {"fc1.weight": Runs(tmp_path / "ran")}}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="plain tensors"):
        convert_hmr_file(tmp_path / "a.pt", tmp_path / "b.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_a_pickled_array_of_an_npz_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([Runs(tmp_path / "ran")], object), allow_pickle=True)
    with pytest.raises(ValueError, match="plain tensors"):
        convert_hmr_file(tmp_path / "a.npz", tmp_path / "b.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def without(stored, name):
    return {k: v for k, v in stored.items() if k != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "regressor.mean_theta"), "no tensor 'regressor.mean_theta'"),
        (lambda s: without(s, "resnet.layer1.0.conv1.weight"), "layer1.0.conv1.weight missing"),
        (lambda s: s | {"resnet.conv1.weight": torch.zeros(3)}, "of shape"),
        (lambda s: s | {"regressor.mean_theta": torch.tensor(1.0)}, "other shapes"),
        (lambda s: s | {"regressor.mean_theta": torch.full((85,), torch.nan)}, "not finite"),
        (lambda s: {"decpose.weight": torch.zeros(1)}, "no tensor"),
        (lambda s: {"x": 3}, "not a dict of tensors"),
    ],
)
def test_a_file_that_lacks_something_is_refused_with_what_it_lacks(tmp_path, change, message):
    torch.save(change(hmr_names(network("published"))), tmp_path / "a.pt")
    with pytest.raises(ValueError, match=message):
        convert_hmr_file(tmp_path / "a.pt", tmp_path / "b.safetensors")
