"""Turning a motion upright: tilted cameras are found, and what is no standing is left alone."""

from dataclasses import replace
from math import asin, cos, degrees, radians, sin

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from motion_imitate.geometry.camera import body_to_camera
from motion_imitate.geometry.mesh import volume_centroids
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_vertices
from motion_imitate.imitate import adapt_motion
from motion_imitate.motion.feet import build_foot_skeleton
from motion_imitate.motion.retarget import Retarget, soles_in_camera, turn_above_feet
from motion_imitate.motion.upright import UPRIGHT, level_camera, photo_lean, stand_upright, turn_motion
from motion_imitate.types import Body, Camera, Motion, Source, cat_batched
from tests.support.box_body import BoxBody
from tests.support.walk import about, cut, walk

MODEL = BoxBody()
LEGS = build_foot_skeleton(MODEL)


def walked(seconds: float = 4.0, rate: float = 25.0) -> Motion:
    """A walk through the picture of a wide lens."""
    motion, _ = walk(torch.arange(seconds * rate, dtype=torch.float64) / rate)
    return replace(motion, camera=replace(motion.camera, focal=motion.camera.focal / 4))


def camera_turn(roll: float, pitch: float) -> Tensor:
    """What a camera that is rolled, and looks down by `pitch` degrees, makes of a level camera's space."""
    up = torch.tensor([0.0, -cos(radians(pitch)), -sin(radians(pitch))], dtype=torch.float64)
    return about(2, torch.tensor(radians(roll), dtype=torch.float64)) @ level_camera(up).mT


def filmed(motion: Motion, roll: float, pitch: float) -> Motion:
    """The motion, seen by a tilted camera that points at its first place."""
    turned = turn_motion(motion, camera_turn(roll, pitch))
    place = turned.camera.place + (motion.camera.place - turned.camera.place)[:1]
    return replace(turned, camera=replace(turned.camera, place=place))


def upright(motion: Motion, mode: str = "auto", *sizes: int) -> Motion:
    return cat_batched(list(UPRIGHT[mode](cut(motion, *(sizes or (16,))), MODEL)[0]))


def tilt(motion: Motion) -> Tensor:
    """Degrees between the root's axis, which a made walk keeps vertical, and the vertical."""
    return torch.rad2deg(torch.acos(motion.body.pose[:, 0, 1, 1].clamp(-1, 1)))


def portray(lean: float, roll: float = 0.0) -> Source:
    """A source whose person stands with level feet, leaning to the camera by degrees as fitted bodies do."""
    body = Body(torch.eye(3).repeat(1, len(MODEL.joint_names), 1, 1), torch.zeros(1, 3))
    camera = Camera(torch.tensor([[1.8, 1.2]]), torch.zeros(1, 2), torch.tensor([[0.0, 0.1, 4.0]]))
    tilted = replace(
        filmed(Motion(body, camera, torch.ones(1), torch.zeros(1)), 0, 0),
        body=turn_above_feet(LEGS, body, camera_turn(roll, lean)),
    )
    seen, joints = (body_to_camera(points, tilted.camera) for points in MODEL(tilted.body))
    view = view_of_vertices(seen, joints, tilted.camera, MODEL, rasterize, (4, 4))
    image, matte = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    return Source(image, matte, image, tilted.body, tilted.camera, view)


def test_the_centroid_of_a_volume_is_that_of_its_parts():
    """Two of the boxes: the trunk holds more than the root."""
    at, faces = MODEL.skin.template[None], MODEL.faces
    root, spine = (volume_centroids(at, faces[12 * j : 12 * j + 12])[0] for j in (0, 1))
    assert_close(root, torch.tensor([0.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    assert_close(spine, torch.tensor([0.0, 0.35, 0.0]), atol=1e-6, rtol=0)
    sizes = torch.tensor([0.15 * 0.1 * 0.1, 0.18 * 0.2 * 0.1])
    whole, moved = volume_centroids(torch.cat([at, at + 1]), faces[:24])
    assert_close(whole, (sizes @ torch.stack([root, spine])) / sizes.sum())
    assert_close(moved, whole + 1)


@pytest.mark.parametrize("roll", [-30.0, 0.0, 12.0])
@pytest.mark.parametrize("pitch", [-30.0, 0.0, 20.0, 40.0])
def test_a_walk_seen_by_a_tilted_camera_stands_and_travels_on_level_ground(roll, pitch):
    turned = upright(filmed(walked(), roll, pitch))
    assert tilt(turned).max() < 1.5
    lowest = soles_in_camera(LEGS, turned)[..., 1].amax(1)
    assert lowest.max() - lowest.min() < 0.08


@pytest.mark.parametrize(
    "turn",
    [camera_turn(90, 0), camera_turn(-80, 20), camera_turn(0, -85), camera_turn(0, -55), camera_turn(180, 0)],
    ids=["across", "askew", "feet_near", "seen_from_above", "upside_down"],
)
def test_whoever_lies_is_not_stood_up(turn):
    first = walked()[:1].map(lambda t: t.expand(100, *t.shape[1:]))
    lying = turn_motion(replace(first, seconds=torch.arange(100.0) / 25), turn)
    place = torch.tensor([0.0, 0.0, 5.0]).expand(100, 3)
    lying = replace(lying, camera=replace(lying.camera, place=place))
    runs, turned = stand_upright([lying], MODEL)
    assert not turned
    left = cat_batched(list(runs))
    assert torch.equal(left.body.pose, lying.body.pose)
    assert torch.equal(left.camera.place, lying.camera.place)


@pytest.mark.parametrize("hidden", ["legs", "everything"])
def test_without_legs_in_the_picture_nothing_is_turned(hidden):
    given = filmed(walked(), 20, 10)
    if hidden == "legs":
        given = replace(given, camera=replace(given.camera, centre=given.camera.centre + torch.tensor([0.0, 1.0])))
    else:
        given = replace(given, confidence=given.confidence * 0)
    assert_close(upright(given).body.pose, given.body.pose)
    assert not list(stand_upright([], MODEL)[0])


def test_a_scan_shows_which_way_is_up_before_a_frame_is_taken():
    given = filmed(walked(), 15, 20)
    left = iter([given])
    scanned, turned = stand_upright(left, MODEL, [given])
    assert turned
    assert next(left) is given
    assert not list(scanned)
    whole, scanned = (stand_upright([given], MODEL, scan)[0] for scan in (None, [given]))
    assert_close(cat_batched(list(scanned)).body.pose, cat_batched(list(whole)).body.pose)


@pytest.mark.parametrize("mode", UPRIGHT)
@pytest.mark.parametrize("sizes", [(1,), (7, 1, 30)])
def test_cuts_between_runs_do_not_matter(mode, sizes):
    given = filmed(walked(), 15, 20)
    whole, parts = upright(given, mode, len(given)), upright(given, mode, *sizes)
    assert_close(parts.body.pose, whole.body.pose, atol=1e-5, rtol=0)
    assert_close(parts.camera.place, whole.camera.place, atol=1e-5, rtol=0)
    assert torch.equal(parts.seconds, given.seconds)


def test_all_frames_get_one_rotation_so_a_somersault_stays_one():
    given = filmed(walked(6.0), 15, 20)
    spin = about(0, torch.linspace(0, 2 * torch.pi, 30)).float()
    pose = given.body.pose.clone()
    pose[-30:, 0] = pose[-30:, 0] @ spin
    given = replace(given, body=replace(given.body, pose=pose))
    turned = upright(given)
    turns = turned.body.pose[:, 0] @ given.body.pose[:, 0].mT
    assert_close(turns, turns[:1].expand_as(turns), atol=1e-5, rtol=0)
    assert tilt(turned)[:-30].max() < 1.5


def test_live_turning_is_slow_moves_nobody_and_arrives():
    given = filmed(walked(8.0), 20, 20)
    turned = upright(given, "live")
    assert_close(turned.body.pose[0], given.body.pose[0])
    root = turned.body.pose[:, 0]
    assert torch.rad2deg((root[1:] - root[:-1]).norm(dim=(1, 2)) / 2**0.5).max() < 1.0
    travelled, due = (m.camera.place.diff(dim=0).norm(dim=-1) for m in (turned, given))
    assert_close(travelled, due, atol=1e-4, rtol=0)
    assert tilt(turned)[-1] < 3


@pytest.mark.parametrize("lean", [-15.0, 0.0, 15.0])
def test_a_standing_driver_stands_as_the_person_of_the_photo_does(lean):
    source = portray(lean)
    first = walked()[:1].map(lambda t: t.expand(100, *t.shape[1:]))
    pose = torch.eye(3).expand_as(first.body.pose)
    stands = replace(first, body=replace(first.body, pose=pose), seconds=torch.arange(100.0) / 25)
    made = cat_batched(list(adapt_motion([filmed(stands, 15, 25)], source, MODEL)))
    assert_close(made.body.pose[:, 0], source.body.pose[:, 0].expand(100, 3, 3), atol=0.02, rtol=0)
    assert_close(made.camera.place, source.camera.place.expand(100, 3), atol=0.02, rtol=0)


def test_a_leaning_photo_still_has_level_ground():
    """A walker's standing feet keep their height on a body that leans."""
    made = cat_batched(list(adapt_motion([filmed(walked(), 10, 20)], portray(-15), MODEL)))
    feet = soles_in_camera(LEGS, made).view(-1, 2, 2, 3).mean(2)
    still = feet.diff(dim=0)[..., [0, 2]].norm(dim=-1) * 25 < 0.05
    assert still.sum() > 50
    assert feet[1:, :, 1][still].std() < 0.015


def test_one_photo_shows_lean_but_no_roll():
    def lean(source: Source) -> float:
        found = photo_lean(source.body, source.camera, MODEL)
        assert_close(found[0], torch.tensor([1.0, 0, 0], dtype=torch.float64))
        return degrees(asin(float(found[2, 1])))

    level = lean(portray(0))  # not 0: the box feet reach ahead of the balance
    assert lean(portray(12)) - level == pytest.approx(12, abs=2)
    assert lean(portray(-20)) - level == pytest.approx(-20, abs=2)
    assert lean(portray(0, roll=10)) == pytest.approx(level, abs=1)
    assert lean(portray(80)) == 0


def test_the_drivers_own_camera_is_never_turned():
    given, source = filmed(walked(), 15, 20), portray(0)
    copied, tilted = (
        cat_batched(list(adapt_motion([given], source, MODEL, Retarget(camera="copy", upright=mode))))
        for mode in ("auto", "off")
    )
    assert torch.equal(copied.body.pose, tilted.body.pose)
