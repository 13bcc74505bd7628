"""Exports, read back by small parsers of their own: the skeleton and the mesh must be where the model has them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.motion.file import MotionHeader
from motion_imitate.types import Body, Camera, Motion
from motion_imitate.weights import MissingWeights
from pipelines.motion.export import to_euler_zxy, write_bvh, write_export, write_gltf
from tests.support.box_body import NAMES, BoxBody
from tests.support.glb import check_buffer, parsed, skinned, values
from tests.support.walk import about as turn_about
from tests.support.walk import walk

RATE = 30.0


def anny():
    try:
        from motion_imitate.bodies import load_body

        return load_body("anny")
    except (ImportError, MissingWeights):
        pytest.skip("the body is not built in this checkout")


MODELS = {"boxes": BoxBody, "anny": anny}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def tumbling(model, frames: int = 12, rate: float = RATE) -> Motion:
    """Every joint bends; the root turns over, through where Euler angles are singular."""
    noise = torch.Generator().manual_seed(2)
    count, numbers = len(model.joint_names), model.skin.shape_dirs.shape[0]
    swing = torch.sin(torch.arange(frames) / 3)[:, None, None] * torch.randn(1, count, 3, generator=noise)
    pose = rotation_vector_to_matrix((0.3 * swing).double())
    pose[:, 0] = turn_about(0, torch.linspace(0, 2 * torch.pi, frames, dtype=torch.float64))
    place = torch.tensor([0.2, 0.4, 4.0]) + torch.randn(frames, 3, generator=noise) * 0.1
    camera = Camera(torch.full((frames, 2), 1.8), torch.zeros(frames, 2), place)
    body = Body(pose.float(), 0.5 * torch.randn(1, numbers, generator=noise).expand(frames, -1))
    return Motion(body, camera, torch.ones(frames), torch.arange(frames).double() / rate)


def about(model) -> MotionHeader:
    return MotionHeader(model.name, model.joint_names, (1080, 1920), RATE, "tumbling")


def in_world(model, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints with y up, the ground beneath the first frame's root as origin."""
    vertices, joints = model(motion.body)
    place = motion.camera.place * torch.tensor([1.0, -1.0, -1.0])
    vertices, joints = vertices + place[:, None], joints + place[:, None]
    ground = torch.stack([place[0, 0], vertices[0, :, 1].min(), place[0, 2]])
    return (vertices - ground).numpy(), (joints - ground).numpy()


# ---- BVH


def rotation(axis: str, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "X": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "Y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "Z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


def bvh_joints(text: str) -> tuple[float, list[dict[str, np.ndarray]]]:
    """Seconds per frame, and where each frame has the joints, by the rules of the format alone."""
    head, tail = text.split("MOTION")
    words, joints, stack, ended = head.split(), [], [], False
    for i, word in enumerate(words):
        if word in ("ROOT", "JOINT"):
            joints.append({"name": words[i + 1], "parent": stack[-1] if stack else None, "channels": []})
        elif word == "End":
            ended = True
        elif word == "{":
            stack.append(None if ended else len(joints) - 1)
        elif word == "}":
            ended = False
            stack.pop()
        elif word == "OFFSET" and not ended:
            joints[-1]["offset"] = np.array([float(w) for w in words[i + 1 : i + 4]])
        elif word == "CHANNELS":
            joints[-1]["channels"] = words[i + 2 : i + 2 + int(words[i + 1])]
    lines = tail.strip().splitlines()
    assert int(lines[0].split()[1]) == len(lines) - 2
    frames = []
    for line in lines[2:]:
        values, places, turns = iter(float(w) for w in line.split()), {}, {}
        for joint in joints:
            shift, turn = np.zeros(3), np.eye(3)
            for channel in joint["channels"]:
                value = next(values)
                if channel.endswith("position"):
                    shift["XYZ".index(channel[0])] = value
                else:
                    turn = turn @ rotation(channel[0], value)
            up = joint["parent"]
            above, at = (np.eye(3), np.zeros(3)) if up is None else (turns[up], places[joints[up]["name"]])
            places[joint["name"]] = at + above @ (joint["offset"] + shift)
            turns[joints.index(joint)] = above @ turn
        assert next(values, None) is None
        frames.append(places)
    return float(lines[1].split()[2]), frames


def test_bvh_has_the_joints_where_the_model_has_them(tmp_path, model):
    motion = tumbling(model)
    write_export(tmp_path / "m.bvh", motion, about(model), model, "bvh")
    gap, frames = bvh_joints((tmp_path / "m.bvh").read_text())
    assert gap == pytest.approx(1 / RATE, abs=1e-7)
    found = np.array([[frame[name] for name in model.joint_names] for frame in frames])
    assert np.abs(found - in_world(model, motion)[1]).max() < 1e-4


def test_bvh_without_fingers_ends_at_the_wrists(tmp_path):
    model, motion = BoxBody(), tumbling(BoxBody())
    write_bvh(tmp_path / "m.bvh", motion, about(model), model, fingers=False)
    _, frames = bvh_joints((tmp_path / "m.bvh").read_text())
    assert set(NAMES) - set(frames[0]) == {"finger_left", "finger_right"}


@pytest.mark.parametrize("rate", [0.01, 9000.0])
def test_bvh_refuses_a_rate_that_does_not_go_with_the_times(tmp_path, rate):
    model = BoxBody()
    with pytest.raises(ValueError, match="do not match a rate"):
        write_export(tmp_path / "m.bvh", tumbling(model, 300), replace(about(model), rate=rate), model, "bvh")
    assert list(tmp_path.iterdir()) == []


def test_bvh_makes_uneven_frames_even(tmp_path):
    model = BoxBody()
    seconds = torch.tensor([0.0, 0.02, 0.06, 0.1, 0.14, 0.17, 0.2, 0.23, 0.3], dtype=torch.float64) + 7
    write_bvh(tmp_path / "m.bvh", walk(seconds)[0], about(model), model)
    _, frames = bvh_joints((tmp_path / "m.bvh").read_text())
    assert len(frames) == 10
    even, _ = walk(7 + torch.arange(10) / RATE)
    found = np.array([[frame[name] for name in NAMES] for frame in frames])
    assert np.abs(found - in_world(model, even)[1]).max() < 0.03  # a walk is no straight line between its frames
    assert np.abs(found[[0, 3, 6, 9]] - in_world(model, even)[1][[0, 3, 6, 9]]).max() < 1e-3  # where frames were


def test_euler_angles_give_the_turn_back_even_where_they_are_singular():
    noise = np.random.default_rng(0)
    angles = noise.uniform(-180, 180, (200, 3))
    angles[:50, 1] = 90 + noise.choice([0, 1e-7, 1e-4, 1e-2], 50)
    turns = np.stack([rotation("Z", z) @ rotation("X", x) @ rotation("Y", y) for z, x, y in angles])
    rounded = turns.astype(np.float32).astype(np.float64)
    back = np.stack([rotation("Z", z) @ rotation("X", x) @ rotation("Y", y) for z, x, y in to_euler_zxy(rounded)])
    assert np.abs(back - turns).max() < 1e-6


# ---- glTF


def test_glb_is_well_formed(tmp_path, model):
    write_gltf(tmp_path / "m.glb", tumbling(model), about(model), model)
    document, buffer = parsed((tmp_path / "m.glb").read_bytes())
    check_buffer(document, buffer)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    assert {"POSITION", "NORMAL", "TEXCOORD_0", "JOINTS_0", "WEIGHTS_0"} <= set(attributes)
    assert len({document["accessors"][a]["count"] for a in attributes.values()}) == 1
    assert "min" in document["accessors"][attributes["POSITION"]]
    inputs = {s["input"] for s in document["animations"][0]["samplers"]}
    assert all("min" in document["accessors"][i] for i in inputs)
    weights = sum(values(document, buffer, a).sum(1) for n, a in attributes.items() if n.startswith("WEIGHTS"))
    assert weights == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(values(document, buffer, attributes["NORMAL"]), axis=1) == pytest.approx(1, abs=1e-4)
    children = [c for node in document["nodes"] for c in node.get("children", [])]
    assert sorted([*children, *document["scenes"][0]["nodes"]]) == list(range(len(document["nodes"])))


def test_glb_draws_the_mesh_where_the_model_has_it(tmp_path, model):
    """A tenth of a millimetre, but where a vertex hangs on more than eight joints: the weakest of them are left out."""
    motion = tumbling(model)
    write_gltf(tmp_path / "m.glb", motion, about(model), model)
    document, buffer = parsed((tmp_path / "m.glb").read_bytes())
    expected, _ = in_world(model, motion)
    few = ((model.skin.weights > 0).sum(1) <= 8).numpy()[model.faces.numpy()].reshape(-1)
    for frame in (0, 5, 11):
        vertices, corners = skinned(document, buffer, frame)
        away = np.linalg.norm(vertices[corners] - expected[frame][model.faces.numpy()].reshape(-1, 3), axis=1)
        assert away[few].max() < 1e-4
        assert away.max() < 5e-3


def test_glb_keeps_the_texture_coordinates(tmp_path, model):
    write_gltf(tmp_path / "m.glb", tumbling(model), about(model), model)
    document, buffer = parsed((tmp_path / "m.glb").read_bytes())
    primitive = document["meshes"][0]["primitives"][0]
    uv = values(document, buffer, primitive["attributes"]["TEXCOORD_0"])
    corners = uv[values(document, buffer, primitive["indices"])[:, 0]]
    assert np.abs(corners * [1, -1] + [0, 1] - model.uv.numpy().reshape(-1, 2)).max() < 1e-6


def test_glb_keeps_uneven_times(tmp_path):
    seconds = torch.tensor([3.0, 3.1, 3.15, 4.0])
    write_gltf(tmp_path / "m.glb", walk(seconds)[0], about(BoxBody()), BoxBody())
    document, buffer = parsed((tmp_path / "m.glb").read_bytes())
    times = values(document, buffer, document["animations"][0]["samplers"][0]["input"])[:, 0]
    assert times == pytest.approx([0, 0.1, 0.15, 1.0], abs=1e-6)


def test_neighbouring_quaternions_never_take_the_long_way(tmp_path):
    model, motion = BoxBody(), tumbling(BoxBody(), frames=40)
    write_gltf(tmp_path / "m.glb", motion, about(model), model)
    document, buffer = parsed((tmp_path / "m.glb").read_bytes())
    for sampler in document["animations"][0]["samplers"][1:]:
        turns = values(document, buffer, sampler["output"])
        assert ((turns[1:] * turns[:-1]).sum(1) > 0).all()


@pytest.mark.parametrize("to", ["bvh", "gltf"])
def test_a_single_frame_is_enough_and_no_part_is_left(tmp_path, to):
    motion = tumbling(BoxBody(), frames=1)
    write_export(tmp_path / "m.out", motion, about(BoxBody()), BoxBody(), to)
    assert [p.name for p in tmp_path.iterdir()] == ["m.out"]


def test_unknown_formats_are_named(tmp_path):
    with pytest.raises(ValueError, match="no export to 'fbx'; choose one of bvh, gltf"):
        write_export(tmp_path / "m.fbx", tumbling(BoxBody()), about(BoxBody()), BoxBody(), "fbx")
