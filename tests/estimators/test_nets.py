"""Both runtimes give what LiteRT gave for the shipped networks, alone, in batches and from several threads."""

import os
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch

from motion_imitate import weights
from motion_imitate.estimators.nets import load_net
from motion_imitate.quiet_stderr import quiet_stderr
from motion_imitate.weights import MissingWeights, find_asset
from tests.support import DATA

SIZES = {
    "pose_detector": 224,
    "pose_lite": 256,
    "pose_full": 256,
    "pose_heavy": 256,
    "face_detector": 128,
    "face_landmarks": 192,
}
RUNTIMES = ["torch", pytest.param("litert", marks=pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="absent"))]


@pytest.fixture(scope="module")
def person():
    return cv2.imread(str(DATA / "person_256.png"))[None, :, :, ::-1].astype(np.float32) / 255


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", SIZES)
def test_outputs_on_a_real_person_are_the_stored_ones(name, runtime, person):
    size = SIZES[name]
    with np.load(DATA / "networks.npz") as stored:
        outputs = load_net(name, runtime=runtime)(person[:, :size, :size])
        assert len(outputs) == sum(k.startswith(f"{name}.") for k in stored)
        for i, output in enumerate(outputs):
            expected = stored[f"{name}.{i}"]
            given = output.ravel()[:: max(1, output.size // 2000)]
            assert np.abs(given - expected).max() <= 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_picture_does_not_depend_on_its_batch(runtime, person):
    net = load_net("pose_lite", runtime=runtime)
    other = np.random.default_rng(0).random(person.shape, dtype=np.float32)
    together, alone = net(np.concatenate([other, person])), net(person)
    for a, b in zip(together, alone, strict=True):
        assert a.shape == (2, *b.shape[1:])
        assert np.abs(a[1:] - b).max() <= 1e-3 * np.abs(b).max()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_may_share_a_net(runtime):
    net = load_net("face_landmarks", runtime=runtime)
    pictures = np.random.default_rng(1).random((8, 1, 192, 192, 3), dtype=np.float32)
    expected = [net(p)[0] for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda p: net(p)[0], pictures))
    for a, b in zip(given, expected, strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="absent")
def test_loading_says_nothing_and_keeps_what_others_say(capfd):
    load_net("face_detector", runtime="litert")(np.zeros((1, 128, 128, 3), np.float32))
    with quiet_stderr(b"noise"):
        os.write(2, b"noise\nnews\n")
    assert capfd.readouterr().err == "news\n"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", SIZES)
def test_cuda_agrees_to_the_precision_it_computes_in(name, person):
    if not any((folder / f"{name}.tflite").exists() for folder in weights.ASSET_FOLDERS):
        pytest.skip("not in the pack of gpu_pack")
    size = SIZES[name]
    outputs = load_net(name, device="cuda")(person[:, :size, :size])
    for a, b in zip(outputs, load_net(name, runtime="torch")(person[:, :size, :size]), strict=True):
        assert np.abs(a - b).max() <= 1e-2 * np.abs(b).max()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_damaged_network_is_named(runtime, tmp_path, monkeypatch):
    (tmp_path / "pose_lite.tflite").write_bytes(find_asset("pose_lite.tflite").read_bytes()[:1000])
    monkeypatch.setattr(weights, "ASSET_FOLDERS", (tmp_path,))
    with pytest.raises(MissingWeights, match=r"pose_lite.tflite is damaged .* reinstall"):
        load_net("pose_lite", runtime=runtime)(np.zeros((1, 256, 256, 3), np.float32))


def test_what_cannot_run_is_said():
    with pytest.raises(ValueError, match="choose auto, litert or torch"):
        load_net("pose_lite", runtime="onnx")
    with pytest.raises(MissingWeights, match="pose_huge"):
        load_net("pose_huge")
    with pytest.raises(ValueError, match="not on cuda"):
        load_net("pose_lite", device="cuda", runtime="litert")
