"""Recorded motion, written by hand, as a body would do it: joints lie where arithmetic says they must."""

import json
from math import cos, pi, sin

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.estimators.rig import BENDS, PoseState, Rig
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.synthesis.mocap import (
    QUATERNION_COLUMNS,
    load_pose_bank,
    mirror_motion,
    mocap_to_bends,
    read_mocap_clip,
)
from tests.support.recorded import about, frame, write

DOWN = torch.tensor([0, -1.0, 0])
LIMBS = [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")]
SIDES = ("left", "right")
UPRIGHT = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))


@pytest.fixture(scope="module")
def model():
    return load_body("anny")


@pytest.fixture(scope="module")
def rig(model):
    return Rig(model)


def joints(rig, root, bent):
    """By name, where a body of ordinary shape has its joints in body space."""
    state = PoseState(torch.zeros(len(root), 3).double(), UPRIGHT @ root, bent)
    at = rig.model(rig.body(state, torch.zeros(1, len(rig.offset) - 1, dtype=torch.float64)))[1]
    return {name: at[:, rig.model.controls[name][0]] for name in BENDS}


def posed(rig, tmp_path, *rows):
    return joints(rig, *mocap_to_bends(rig.model, read_mocap_clip(write(tmp_path / "clip.txt", [*rows, rows[-1]]))))


def along(at, start, end):
    return torch.nn.functional.normalize(at[end] - at[start], dim=-1)


def test_who_stands_still_has_limbs_that_hang_straight_down(rig, tmp_path):
    at = posed(rig, tmp_path, frame())
    for above, below in LIMBS:
        for side in SIDES:
            limb = along(at, f"{above}_{side}", f"{below}_{side}")
            torch.testing.assert_close(limb, DOWN.expand_as(limb), atol=2e-3, rtol=0)


@pytest.mark.parametrize("side", SIDES)
def test_an_elbow_and_a_knee_bend_by_the_angle_in_the_file_and_the_right_way(rig, tmp_path, side):
    at = posed(rig, tmp_path, frame(**{f"elbow_{side}": 1.1, f"knee_{side}": -0.7}))
    forearm, shin = along(at, f"elbow_{side}", f"wrist_{side}"), along(at, f"knee_{side}", f"ankle_{side}")
    torch.testing.assert_close(forearm[0], torch.tensor([0, -cos(1.1), sin(1.1)]), atol=2e-3, rtol=0)  # to the front
    torch.testing.assert_close(shin[0], torch.tensor([0, -cos(0.7), -sin(0.7)]), atol=2e-3, rtol=0)  # to the back


def test_turns_are_about_the_axes_of_body_space(rig, tmp_path):
    ahead = posed(rig, tmp_path, frame(shoulder_left=about(2, pi / 2)))  # forward, as in walking
    limb = along(ahead, "shoulder_left", "elbow_left")[0]
    torch.testing.assert_close(limb, torch.tensor([0, 0, 1.0]), atol=2e-3, rtol=0)
    aside = posed(rig, tmp_path, frame(hip_right=about(0, -0.5)))  # away from the other leg
    limb = along(aside, "hip_right", "knee_right")[0]
    torch.testing.assert_close(limb, torch.tensor([-sin(0.5), -cos(0.5), 0]), atol=2e-3, rtol=0)
    turned = posed(
        rig, tmp_path, frame(root=about(1, pi / 2), knee_left=-pi / 2)
    )  # to the left; so back is to the right
    shin = along(turned, "knee_left", "ankle_left")[0]
    torch.testing.assert_close(shin, torch.tensor([-1.0, 0, 0]), atol=2e-3, rtol=0)


def pose():
    g = torch.Generator().manual_seed(0)
    vectors = 0.4 * torch.randn(5, 1 + len(BENDS), 3, generator=g, dtype=torch.float64)
    return rotation_vector_to_matrix(vectors[:, 0]), vectors[:, 1:]


def test_a_motion_mirrored_twice_is_itself():
    root, bent = pose()
    twice = mirror_motion(*mirror_motion(root, bent))
    assert torch.equal(twice[0], root)
    assert torch.equal(twice[1], bent)
    assert not torch.equal(mirror_motion(root, bent)[1], bent)


def test_a_mirrored_motion_puts_the_other_sides_joints_where_a_mirror_shows_them(rig):
    root, bent = pose()
    at, other = joints(rig, root, bent), joints(rig, *mirror_motion(root, bent))
    for name in BENDS:
        twin = name.replace("left", "R").replace("right", "left").replace("R", "right")
        torch.testing.assert_close(other[twin], at[name] * torch.tensor([-1.0, 1, 1]), atol=1e-3, rtol=0)


def test_time_is_made_even(tmp_path):
    lasting = [0.05, 0.2, 0.1, 0.15, 0.3]
    begins = [sum(lasting[:n]) for n in range(len(lasting))]
    clip = write(tmp_path / "clip.txt", [frame(t, elbow_left=0.5 * s) for t, s in zip(lasting, begins, strict=True)])
    for rate in (10.0, 60.0):
        turns = read_mocap_clip(clip, rate)
        elbow = turns["shoulder_left"].mT @ turns["elbow_left"]
        angle = torch.arccos(((elbow.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1))
        assert len(angle) == round(begins[-1] * rate)  # the last frame is where the clip ends
        torch.testing.assert_close(angle, 0.5 * torch.arange(len(angle)).double() / rate, atol=1e-6, rtol=0)


def test_signs_of_quaternions_mean_nothing(tmp_path):
    rows = [frame(root=about(1, 0.3 * n), chest=about(2, 0.1 * n), hip_left=about(0, 0.2 * n)) for n in range(6)]
    flipped = [list(row) for row in rows]
    g = torch.Generator().manual_seed(0)
    for row in flipped:
        for start in QUATERNION_COLUMNS.values():
            sign = 1 if torch.rand((), generator=g) < 0.5 else -1
            row[start : start + 4] = [sign * x for x in row[start : start + 4]]
    assert flipped != rows
    one, other = (
        read_mocap_clip(write(tmp_path / "one.txt", rows)),
        read_mocap_clip(write(tmp_path / "other.txt", flipped)),
    )
    for name in one:
        torch.testing.assert_close(one[name], other[name])


def test_a_library_is_every_clip_and_its_mirror_image(model, tmp_path):
    for n in range(2):
        write(tmp_path / f"{n}.txt", [frame(elbow_left=0.3 * (n + 1)), frame(elbow_left=0.3 * (n + 1))])
    root, bent = load_pose_bank(model, tmp_path)
    assert root.shape == (12, 3, 3)  # two clips of three frames, twice
    size = bent.norm(dim=-1)
    left, right = size[:, BENDS.index("elbow_left")], size[:, BENDS.index("elbow_right")]
    torch.testing.assert_close(left.sort().values, right.sort().values)
    assert len(left.round(decimals=3).unique()) == 3  # both clips, and the straight arm


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Frames": [frame(-1.0), frame(2.0)]}),
        json.dumps({"Frames": [frame(1e13), frame()]}),
        json.dumps({"Frames": [frame(neck=[0.0] * 4), frame()]}),
        "[" * 100_000,
        "hello",
        "{}",
        '{"Frames": []}',
        '{"Frames": [[1, 2]]}',
        "[1]",
        '{"Frames": [["a"]]}',
    ],
)
def test_a_folder_without_clips_or_with_something_else_is_refused_by_name(model, tmp_path, text):
    with pytest.raises(FileNotFoundError, match=r"no motion files \(\*\.txt\) in .*DeepMimic"):
        load_pose_bank(model, tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        load_pose_bank(model, tmp_path / "elsewhere")
    (tmp_path / "notes.txt").write_text(text)
    with pytest.raises(ValueError, match=r"notes\.txt is not a humanoid clip"):
        load_pose_bank(model, tmp_path)
