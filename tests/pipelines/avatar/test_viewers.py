"""The exported avatar in other programs: Khronos' validator, and three.js in a browser.

    npm install --prefix /tmp/gltf gltf-validator three playwright-core
    GLTF_NODE_MODULES=/tmp/gltf/node_modules pytest -m slow tests/pipelines/avatar/test_viewers.py

CHROMIUM names the browser, by default /usr/bin/chromium.
"""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.avatar.best_photo import draw_best_photo_into
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Motion, cat_batched
from pipelines.avatar.gltf import encode_avatar
from tests.support.demo_person import demo_person

MODULES = os.environ.get("GLTF_NODE_MODULES", "")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOTS = [{"seconds": None, "degrees": 0}, {"seconds": 0.5, "degrees": 0}]


@pytest.fixture
def viewer():
    """What checks and draws a file."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    for name in ("gltf-validator", "three", "playwright-core"):
        if not (Path(MODULES or "none") / name).is_dir():
            pytest.skip(f"no npm package {name} in GLTF_NODE_MODULES={MODULES}")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at CHROMIUM={CHROMIUM}")
    return Path(__file__).with_name("viewer.mjs")


def lifting_arms() -> Motion:
    """Two frames: the photo's pose, and arms lifted sideways."""
    person = demo_person()
    body, camera = person.source.body[:1], person.source.camera[:1]
    turn = torch.zeros(1, body.pose.shape[1], 3)
    for side, angle in (("left", 0.5), ("right", -0.5)):
        for joint in person.model.controls[f"shoulder_{side}"]:
            turn[:, joint, 2] = angle / len(person.model.controls[f"shoulder_{side}"])
    lifted = replace(body, pose=body.pose @ rotation_vector_to_matrix(turn))
    times = torch.tensor([0.0, 0.5])
    return cat_batched([Motion(one, camera, torch.ones(1), times[k : k + 1]) for k, one in enumerate((body, lifted))])


@pytest.mark.slow
def test_the_validator_finds_nothing_and_three_js_draws_the_person(tmp_path, viewer):
    person, motion = demo_person(), lifting_arms()
    height, width = person.source.image.shape[2:]
    file = tmp_path / "anna.glb"
    file.write_bytes(encode_avatar(person, motion, "anna"))
    words = ["node", viewer, MODULES, file, tmp_path, width, height, json.dumps(SHOTS)]
    run = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, check=True)
    issues = json.loads(run.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues
    for number in range(2):
        shown = cv2.imread(str(tmp_path / f"{number}.png"), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]].astype(int)
        picture = torch.zeros(height, width, 4, dtype=torch.uint8)
        draw_best_photo_into(picture, person.appearance.avatars, person.model, motion[number : number + 1])
        ours = picture.numpy().astype(int)
        seen, truth = shown[..., 3] > 127, ours[..., 3] > 127
        assert (seen & truth).sum() / (seen | truth).sum() > 0.98
        if number == 0:
            assert np.abs(shown - ours)[seen & truth, :3].mean() < 1.5
