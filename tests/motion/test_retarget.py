"""Smoothing, bridging and retargeting: what they must leave alone, and what they must mend."""

from dataclasses import replace
from math import pi

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motion_imitate.geometry.camera import flip_camera_axes, project_points
from motion_imitate.geometry.rotations import (
    interpolate_rotations,
    matrix_to_quaternion,
    matrix_to_rotation_vector,
    quaternion_to_matrix,
    rotation_vector_to_matrix,
)
from motion_imitate.motion.feet import build_foot_skeleton, leg_length, sole_points
from motion_imitate.motion.leg_ik import solve_legs
from motion_imitate.motion.retarget import Retarget, retarget, retarget_live
from motion_imitate.motion.smooth import smooth, smooth_live
from motion_imitate.motion.windows import resample_motion
from motion_imitate.types import Body, Camera, Motion, cat_batched
from tests.support.box_body import NAMES, BoxBody
from tests.support.walk import about, cut, walk

MODEL = BoxBody()
LEGS = build_foot_skeleton(MODEL)
TALLER_LEGS = torch.tensor([[0.0, 2.0, 0.0]])  # a fifth longer
LONG_SHINS = torch.tensor([[0.0, 0.0, 2.0]])


def irregular(count: int, rate: float = 30) -> Tensor:
    gaps = torch.rand(count, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.5
    return gaps.cumsum(0) / rate


def turning(seconds: Tensor) -> Motion:
    """Everything at a constant rate: the root turns right round and more, one joint about a slanted axis."""
    motion, _ = walk(seconds)
    motion = resample_motion(motion, motion.seconds[:1].expand(len(seconds)))
    pose = motion.body.pose.clone()
    pose[:, 0] = about(1, 2.5 * seconds).float()
    pose[:, 3] = rotation_vector_to_matrix(seconds.float()[:, None] * torch.tensor([0.9, -1.5, 0.4]))
    place = torch.tensor([0.0, 0.0, 4.0]) + seconds.float()[:, None] * torch.tensor([0.5, -0.1, 0.3])
    body, camera = replace(motion.body, pose=pose), replace(motion.camera, place=place)
    return replace(motion, body=body, camera=camera, seconds=seconds)


def shaken(motion: Motion, turn: float = 0.03, shift: float = 0.01) -> Motion:
    noise = torch.Generator().manual_seed(1)
    tremble = rotation_vector_to_matrix(turn * torch.randn(*motion.body.pose.shape[:3], generator=noise))
    pose = motion.body.pose @ tremble
    place = motion.camera.place + shift * torch.randn(len(motion), 3, generator=noise)
    return replace(motion, body=replace(motion.body, pose=pose), camera=replace(motion.camera, place=place))


def error(a: Motion, b: Motion) -> tuple[float, float]:
    """Mean radians per joint and mean metres of place between two motions."""
    turn = matrix_to_rotation_vector(a.body.pose.mT @ b.body.pose).norm(dim=-1).mean()
    return float(turn), float((a.camera.place - b.camera.place).norm(dim=-1).mean())


def test_quaternions_are_w_x_y_z_and_turn_the_way_matrices_do():
    quarter = quaternion_to_matrix(torch.tensor([0.5**0.5, 0.0, 0.0, 0.5**0.5]))
    assert_close(quarter @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))
    assert_close(matrix_to_rotation_vector(about(1, torch.tensor(0.3))), torch.tensor([0.0, 0.3, 0.0]))
    turns = rotation_vector_to_matrix(torch.randn(200, 3, dtype=torch.float64))
    assert_close(quaternion_to_matrix(matrix_to_quaternion(turns)), turns)


def test_halfway_between_two_turns_is_half_the_turn():
    a, b = about(2, torch.tensor([0.2])), about(2, torch.tensor([1.0]))
    assert_close(interpolate_rotations(a, b, torch.tensor([0.5])), about(2, torch.tensor([0.6])))


@pytest.mark.parametrize(
    "seconds", [torch.arange(60.0, dtype=torch.float64) / 25, irregular(60)], ids=["even", "uneven"]
)
def test_constant_rates_pass_the_smoother_unchanged(seconds):
    given = turning(seconds)
    smoothed = cat_batched(list(smooth(cut(given, 16))))
    assert_close(smoothed.body.pose, given.body.pose, atol=5e-6, rtol=0)
    assert_close(smoothed.camera.place, given.camera.place, atol=5e-6, rtol=0)
    assert torch.equal(smoothed.seconds, given.seconds)


@pytest.mark.parametrize("step", [smooth, smooth_live, lambda r: retarget(r, body(), camera(), MODEL)])
@pytest.mark.parametrize("sizes", [(1,), (7, 1, 30), (8,)])
def test_cuts_between_runs_do_not_matter(step, sizes):
    given = shaken(walk(irregular(70))[0])
    given = replace(given, confidence=given.confidence * (torch.arange(70) % 23 > 4))
    whole, parts = cat_batched(list(step([given]))), cat_batched(list(step(cut(given, *sizes))))
    assert_close(parts.body.pose, whole.body.pose, atol=2e-6, rtol=0)
    assert_close(parts.camera.place, whole.camera.place, atol=2e-6, rtol=0)
    assert torch.equal(parts.seconds, given.seconds)
    assert torch.equal(parts.confidence, given.confidence)


def test_smoothing_removes_noise_and_not_the_walk():
    clean, _ = walk(torch.arange(150) / 60)
    before, after = error(shaken(clean), clean), error(cat_batched(list(smooth([shaken(clean)]))), clean)
    assert after[0] < 0.5 * before[0]
    assert after[1] < 0.5 * before[1]
    live = error(cat_batched(list(smooth_live([shaken(clean)]))), clean)
    assert live[0] < 0.8 * before[0]
    kept = error(cat_batched(list(smooth([clean]))), clean)
    assert kept[0] < 0.01
    assert kept[1] < 0.002


def test_a_smoothed_stream_holds_few_frames():
    motion = walk(torch.arange(240) / 30)[0]
    taken = 0

    def runs():
        nonlocal taken
        for run in cut(motion, 10):
            taken += len(run)
            yield run

    given = 0
    for run in retarget(smooth(runs()), body(), camera(), MODEL):
        given += len(run)
        assert taken - given <= 80


def test_unseen_frames_are_bridged_by_the_shortest_way():
    seconds = torch.arange(40, dtype=torch.float64) / 20
    given = turning(seconds)
    unseen = (torch.arange(40) > 15) & (torch.arange(40) < 24)
    nowhere = replace(given.camera, place=torch.where(unseen[:, None], 99.0, given.camera.place))
    pose = torch.where(unseen[:, None, None, None], torch.eye(3), given.body.pose)
    confidence = (~unseen).float()
    damaged = Motion(replace(given.body, pose=pose), nowhere, confidence, seconds)
    mended = cat_batched(list(smooth(cut(damaged, 6))))
    assert_close(mended.body.pose, given.body.pose, atol=1e-5, rtol=0)
    assert_close(mended.camera.place, given.camera.place, atol=1e-5, rtol=0)
    assert torch.equal(mended.confidence, confidence)


def test_a_long_gap_is_held_and_then_crossed():
    seconds = torch.arange(200, dtype=torch.float64) / 20
    given = turning(seconds)
    unseen = (torch.arange(200) > 20) & (torch.arange(200) < 180)
    mended = cat_batched(list(smooth([replace(given, confidence=(~unseen).float())])))
    assert_close(mended.camera.place[40:150], given.camera.place[20].expand(110, 3), atol=0.01, rtol=0)
    assert mended.camera.place.diff(dim=0).norm(dim=-1).max() < 8 * 0.6 / 20 * 2


def test_nobody_seen_at_all_is_no_crash():
    given = replace(walk(torch.arange(30) / 30)[0], confidence=torch.zeros(30))
    for step in (smooth, smooth_live):
        assert cat_batched(list(step(cut(given, 7)))).body.pose.isfinite().all()
    assert list(smooth([])) == []


@pytest.mark.parametrize("keep", [1, 20, 33])
def test_live_smoothing_never_looks_ahead(keep):
    given = shaken(walk(irregular(40))[0])
    whole, start = cat_batched(list(smooth_live([given]))), cat_batched(list(smooth_live([given[:keep]])))
    assert torch.equal(whole.body.pose[:keep], start.body.pose)
    assert torch.equal(whole.camera.place[:keep], start.camera.place)


def test_live_smoothing_follows_fast_turns_soon():
    seconds = torch.arange(40, dtype=torch.float64) / 30
    late = cat_batched(list(smooth_live([turning(seconds)]))).body.pose[-1, 0]
    lag = matrix_to_rotation_vector(late.mT @ turning(seconds).body.pose[-1, 0]).norm() / 2.5
    assert lag < 0.08  # seconds


def body(shape: Tensor | None = None) -> Body:
    first = walk(torch.zeros(1))[0].body
    return first if shape is None else replace(first, shape=shape)


def camera() -> Camera:
    return walk(torch.zeros(1))[0].camera


def seen(motion: Motion) -> Tensor:
    """Where soles are in camera space, from the mesh itself."""
    blend = MODEL.keypoints("blazepose33")[[29, 31, 30, 32]]
    points = torch.einsum("kv,bvi->bki", blend, MODEL(motion.body)[0])
    return points * torch.tensor([1.0, -1.0, -1.0]) + motion.camera.place[:, None]


def sliding(motion: Motion, stands: Tensor) -> Tensor:
    """Metres per second of each sole in each step it stands through."""
    speed = seen(motion).diff(dim=0).norm(dim=-1) / motion.seconds.diff()[:, None]
    return speed[stands[1:] & stands[:-1]]


def test_soles_are_where_the_mesh_has_them():
    motion, _ = walk(torch.arange(20) / 10)
    motion = shaken(replace(motion, body=replace(motion.body, shape=torch.tensor([[1.0, -2.0, 0.5]]).expand(20, 3))))
    from_root = seen(motion) - motion.camera.place[:, None]
    assert_close(sole_points(LEGS, motion.body).float() * torch.tensor([1.0, -1.0, -1.0]), from_root, atol=1e-5, rtol=0)


def test_leg_length_is_thigh_and_shank():
    assert_close(leg_length(LEGS, torch.tensor([[0.0, 0, 0], [0, 2, 0]])), torch.tensor([0.8, 0.96]).double())


@pytest.mark.parametrize("name", ["smooth", "copy"])
def test_a_walk_on_its_own_body_is_itself(name):
    driver, _ = walk(torch.arange(120) / 30)
    same = cat_batched(
        list(retarget(cut(driver, 16), driver.body[:1], driver.camera[:1], MODEL, Retarget(camera=name)))
    )
    assert_close(same.camera.place, driver.camera.place, atol=2e-5, rtol=0)
    assert_close(same.body.pose, driver.body.pose, atol=2e-5, rtol=0)
    assert torch.equal(same.body.shape, driver.body.shape)


@pytest.mark.parametrize("shape", [TALLER_LEGS, -TALLER_LEGS, LONG_SHINS, -LONG_SHINS])
@pytest.mark.parametrize("rate", [24, 60])
def test_feet_do_not_slide_on_other_legs(shape, rate):
    driver, stands = walk(torch.arange(4 * rate) / rate)
    worn = cat_batched(list(retarget(cut(driver, 16), body(shape), camera(), MODEL)))
    assert sliding(worn, stands).mean() < 0.06
    free = cat_batched(list(retarget(cut(driver, 16), body(shape), camera(), MODEL, Retarget(ground=False))))
    heights, free_heights = seen(worn)[..., 1][stands], seen(free)[..., 1][stands]
    assert heights.std() <= free_heights.std() + 1e-4
    assert worn.camera.place.diff(dim=0, n=2).abs().max() < 0.02  # nothing jumps


def test_a_driver_whose_feet_slide_is_mended():
    clean, stands = walk(torch.arange(150) / 30)
    driver = cat_batched(list(smooth([shaken(clean, turn=0.015)])))
    worn = cat_batched(list(retarget([driver], body(TALLER_LEGS), camera(), MODEL)))
    assert sliding(worn, stands).mean() < 0.15 < sliding(driver, stands).mean()
    assert (worn.body.pose.mT @ driver.body.pose).diagonal(dim1=-2, dim2=-1).sum(-1).min() > 1 + 2 * 0.95  # 18 degrees


def test_who_walks_with_the_source_camera_stays_on_his_spot():
    driver, _ = walk(torch.arange(300) / 30)
    worn = cat_batched(list(retarget(cut(driver, 16), body(TALLER_LEGS), camera(), MODEL, Retarget(camera="source"))))
    assert (worn.camera.place - camera().place).norm(dim=-1).max() < 0.4
    assert (driver.camera.place[-1] - driver.camera.place[0]).norm() > 8


def test_who_sways_with_the_source_camera_keeps_his_feet():
    t = torch.arange(90).double() / 30
    standing = walk(0.01 + 0 * t)[0]
    sway = torch.stack([0.06 * torch.sin(pi * t), 0.02 * torch.cos(pi * t), 0.05 * torch.sin(2 * pi * t)], 1)
    swaying = solve_legs(LEGS, standing.body, flip_camera_axes(-sway)[:, None].expand(-1, 2, -1))
    place = standing.camera.place + sway.float()
    driver = replace(standing, body=swaying, camera=replace(standing.camera, place=place), seconds=t)
    stands = torch.ones(90, 4, dtype=torch.bool)
    assert sliding(driver, stands).mean() < 1e-3
    for shape in (torch.zeros(1, 3), TALLER_LEGS):
        how, own = Retarget(camera="source"), replace(driver.body[:1], shape=shape)
        worn = cat_batched(list(retarget([driver], own, driver.camera[:1], MODEL, how)))
        fixed = cat_batched(list(retarget([driver], own, driver.camera[:1], MODEL, replace(how, ground=False))))
        assert sliding(worn, stands).mean() < 0.02 < 0.15 < sliding(fixed, stands).mean()


def test_live_the_lower_foot_is_on_the_floor_and_no_later_frame_is_needed():
    driver, _ = walk(torch.arange(60) / 30)
    own, frames = body(TALLER_LEGS), [driver[k : k + 1] for k in range(60)]
    worn = cat_batched(list(retarget_live(frames, own, camera(), MODEL)))
    photo = walk(torch.zeros(1))[0]
    floor = seen(replace(photo, body=own, camera=camera()))[..., 1].max()
    assert_close(seen(worn)[..., 1].amax(1), floor.expand(60), atol=1e-5, rtol=0)
    assert (worn.camera.place[:, [0, 2]] - camera().place[:, [0, 2]]).abs().max() < 1e-6
    early = cat_batched(list(retarget_live(frames[:7], own, camera(), MODEL)))
    assert torch.equal(early.camera.place, worn.camera.place[:7])


def test_the_source_stands_where_the_photo_has_him():
    driver, _ = walk(torch.arange(30) / 30, start=(0.5, 0.1, 7.0))
    own = Camera(torch.tensor([[2.0, 2.0]]), torch.tensor([[0.1, 0.0]]), torch.tensor([[-0.3, 0.1, 3.0]]))
    worn = cat_batched(list(retarget([driver], body(TALLER_LEGS), own, MODEL)))
    assert_close(worn.camera.place[:1], own.place, atol=1e-5, rtol=0)
    assert torch.equal(worn.camera.focal, own.focal.expand(30, 2))
    assert_close(worn.body.shape, TALLER_LEGS.expand(30, 3))


def test_who_starts_crouching_is_put_on_the_ground_he_stood_on():
    driver, _ = walk(torch.zeros(20) + torch.arange(20) / 30 * 1e-3)
    straight = Body(MODEL.relaxed[None], torch.zeros(1, 3))
    worn = cat_batched(list(retarget([driver], straight, camera(), MODEL)))
    lowest = seen(worn)[0, :, 1].max()
    assert_close(lowest, camera().place[0, 1] + 0.93, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["smooth", "source", "copy"])
def test_match_gives_the_size_the_driver_has(name):
    driver, _ = walk(torch.arange(3) / 30)
    own = Camera(torch.tensor([[2.5, 2.5]]), torch.zeros(1, 2), torch.tensor([[0.0, 0.0, 3.0]]))
    how = Retarget(camera=name, scale="match", ground=False)
    worn = cat_batched(list(retarget([driver], body(torch.tensor([[3.0, 0.0, 0.0]])), own, MODEL, how)))[:1]
    rest = MODEL.relaxed[None]
    heights = []
    for motion in (driver[:1], worn):
        upright = MODEL(Body(rest, motion.body.shape))[0]
        flat = torch.stack([upright[..., 0] * 0, upright[..., 1], upright[..., 2] * 0], -1)  # at the root's depth
        y = project_points(flat, motion.camera)[..., 1]
        heights.append(y.max() - y.min())
    assert_close(heights[0], heights[1])


def test_a_copied_driver_stays_where_he_is_in_the_picture():
    driver, _ = walk(torch.arange(30) / 30)
    how = Retarget(camera="copy", scale="match", ground=False)
    worn = cat_batched(list(retarget([driver], body(torch.tensor([[3.0, 0.0, 0.0]])), camera(), MODEL, how)))
    root = torch.zeros(30, 1, 3)
    assert_close(project_points(root, worn.camera)[..., :2], project_points(root, driver.camera)[..., :2])
    assert torch.equal(worn.camera.focal, driver.camera.focal)


def test_fingers_and_arms_are_the_drivers():
    driver, _ = walk(torch.arange(30) / 30)
    worn = cat_batched(list(retarget([driver], body(LONG_SHINS), camera(), MODEL)))
    above = [NAMES.index(n) for n in NAMES if not n.startswith(("hip", "knee", "ankle"))]
    assert torch.equal(worn.body.pose[:, above], driver.body.pose[:, above])
