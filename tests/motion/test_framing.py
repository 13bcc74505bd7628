"""The window of the picture: nobody leaves it, it moves gently, and it shows no place where a photo cuts a person."""

from dataclasses import replace
from itertools import pairwise
from math import pi

import pytest
import torch

from motion_imitate.geometry.camera import seen_window
from motion_imitate.motion.framing import (
    Framing,
    PictureWindow,
    distance_missing,
    frame_motion,
    hold_place,
    slow_window,
    step_back,
)
from motion_imitate.motion.outline import find_person_outline, track_outline
from motion_imitate.types import Body, Camera, Motion, cat_batched
from tests.support import painted
from tests.support.walk import about

RATE = 24
SOFT = Framing(ahead=3.0, ease=1.5)
NEAR = Framing(ease=1.5, reach=0.65)


@pytest.fixture(scope="module")
def photo():
    return painted.source(painted.standing())


@pytest.fixture(scope="module")
def half_photo():
    """The legs are below the picture."""
    body, camera = painted.standing()
    return painted.source((body, replace(camera, place=torch.tensor([[0.0, 0.3, 1.0]]))))


def travel(source, *stops, seconds=2.0):
    """The person glides from the photo's place to each stop in turn, `seconds` each; metres, camera axes."""
    count = round(seconds * RATE)
    corners = source.camera.place + torch.tensor([(0.0, 0.0, 0.0), *stops])
    steps = torch.linspace(0, 1, count + 1)[1:, None]
    legs = [a + (b - a) * steps for a, b in pairwise(corners)]
    place = torch.cat([corners[:1], *legs])
    body = Body(*(t.expand(len(place), *t.shape[1:]) for t in (source.body.pose, source.body.shape)))
    camera = Camera(*(t.expand(len(place), -1) for t in (source.camera.focal, source.camera.centre)), place)
    return Motion(body, camera, torch.ones(len(place)), torch.arange(len(place), dtype=torch.float64) / RATE)


def framed(source, motion, how=SOFT, run=16, scan=None):
    runs = [motion[k : k + run] for k in range(0, len(motion), run)]
    return cat_batched(list(frame_motion(runs, source, painted.MODEL, how, scan)))


def test_who_stays_in_the_photo_is_seen_through_its_camera(photo):
    motion = travel(photo, (0.2, 0.0, 0.0))
    seen = framed(photo, motion)
    assert torch.equal(seen.camera.focal, motion.camera.focal)
    assert torch.equal(seen.camera.centre, motion.camera.centre)
    assert torch.equal(seen.camera.place, motion.camera.place)


@pytest.mark.parametrize(
    "stops", [[(1.5, 0, 0)], [(0, 0, -1.2), (0, 0, 0.5)], [(0, -0.9, 0), (-1.2, 0, 0)], [(1, 0, 0)] * 3 + [(-1, 0, 0)]]
)
def test_nobody_leaves_the_picture_and_it_moves_gently(photo, stops):
    motion = travel(photo, *stops)
    outline = find_person_outline(photo, painted.MODEL)
    assert not outline.is_cut
    assert float(track_outline(outline, motion).lost.max()) > 0.1
    seen = framed(photo, motion)
    assert float(track_outline(outline, seen).lost.max()) <= 0.02
    middle, share = seen_window(photo.camera, seen.camera)
    assert torch.allclose(share[:, 0], share[:, 1])
    assert float(share.min()) > 0.999
    edges = torch.cat([middle - share, middle + share], 1).diff(dim=0).abs() / (2 * share[1:]).repeat(1, 2)
    assert float(edges.max()) <= 0.0101


def test_what_is_seen_in_time_needs_no_movement(photo):
    window = seen_window(photo.camera, framed(photo, travel(photo, (0.7, 0, 0))).camera)
    for side in window:
        assert torch.equal(side, side[:1].expand_as(side))


def test_a_long_way_is_followed(photo):
    """Who walks off is not shown ever smaller."""
    _, share = seen_window(photo.camera, framed(photo, travel(photo, (6.0, 0, 0), seconds=8.0)).camera)
    assert float(share.max()) < 2.2


@pytest.mark.parametrize("cut", [False, True])
def test_frames_do_not_depend_on_runs(photo, half_photo, cut):
    source = half_photo if cut else photo
    motion = travel(source, (0, -0.3, -0.2), (2.5, 0, 0), (-1.0, 0, 0), seconds=1.0)
    whole = framed(source, motion, run=1000)
    for run in (1, 7):
        other = framed(source, motion, run=run)
        assert torch.allclose(other.camera.focal, whole.camera.focal, rtol=1e-5)
        assert torch.allclose(other.camera.centre, whole.camera.centre, atol=1e-5)
        assert torch.equal(other.camera.place, whole.camera.place)


def test_a_scan_shows_what_comes_as_the_motion_itself_does(photo):
    motion = travel(photo, (0, 0, 0), (0.9, 0, 0), (-0.9, 0, 0), seconds=1.5)
    whole = seen_window(photo.camera, framed(photo, motion).camera)
    for every, off in ((1, 1e-6), (2, 0.02)):
        scanned = seen_window(photo.camera, framed(photo, motion, scan=motion[::every]).camera)
        for side, wanted in zip(scanned, whole, strict=True):
            assert torch.allclose(side, wanted, rtol=0, atol=off)


def test_with_a_scan_the_first_frames_come_before_the_last_are_known(photo):
    motion, taken = travel(photo, (1.0, 0, 0), seconds=4.0), []

    def runs():
        for k in range(0, len(motion), 4):
            taken.append(k)
            yield motion[k : k + 4]

    for scan, count in ((motion, SOFT.near), (None, SOFT.ahead)):
        taken.clear()
        next(frame_motion(runs(), photo, painted.MODEL, SOFT, scan))
        assert len(taken) == pytest.approx(count * RATE / 4, abs=2)


def test_a_window_never_jumps():
    here = PictureWindow(torch.zeros(1, 2), torch.ones(1))
    near = PictureWindow(torch.tensor([[0.01, 0.0]]), torch.tensor([1.005]))
    assert slow_window(here, near, 0.01) is near
    far = slow_window(here, PictureWindow(torch.tensor([[0.3, -0.6]]), torch.tensor([1.4])), 0.01)
    assert float(far.middle[0, 1].abs() + far.scale - 1) == pytest.approx(0.02)
    assert float(far.middle[0, 0] / far.middle[0, 1]) == pytest.approx(-0.5)


def test_where_the_photo_cuts_somebody_off_is_never_in_the_picture(half_photo):
    outline = find_person_outline(half_photo, painted.MODEL)
    assert outline.is_cut
    for stop in ((0.0, -0.5, 0.0), (0.0, 0.0, 1.5), (2.0, 0.0, 0.0)):
        motion = travel(half_photo, stop)
        track = track_outline(outline, framed(half_photo, motion))
        assert float(track.cut.min()) >= 1
        assert float(track.core_low.min()) >= -1
        assert float(track.core_high[:, 0].max()) <= 1
    assert float(track_outline(outline, travel(half_photo, (0.0, -0.5, 0.0))).cut.min()) < 0.7


def test_hands_that_reach_for_the_camera_do_not_grow_huge(half_photo):
    motion = travel(half_photo, (0, 0, 0), seconds=4.0)
    joint = painted.MODEL.controls["shoulder_left"][0]
    pose = motion.body.pose.clone()
    pose[-RATE:, joint] = about(0, torch.tensor(-pi / 2))
    motion = replace(motion, body=replace(motion.body, pose=pose))
    outline = find_person_outline(half_photo, painted.MODEL)
    held = hold_place(motion, half_photo.camera, NEAR)
    stepped = cat_batched(list(step_back([held], half_photo.camera, outline, NEAR)))
    assert float(distance_missing(outline, held, NEAR.reach)[-1]) > 0.05
    assert float(distance_missing(outline, stepped, NEAR.reach).max()) < 1e-3
    assert torch.equal(stepped.camera.focal[:RATE], held.camera.focal[:RATE])
    size = stepped.camera.focal / stepped.camera.place[:, 2:]
    assert torch.allclose(size, size[:1].expand_as(size), rtol=1e-5)


def test_where_the_driver_is_cut_the_window_jumps_rather_than_lose_somebody(photo):
    there = travel(photo, (1.4, 0, 0), (1.4, 0, 0))
    back = travel(photo, (-1.8, 0, 0), (-1.8, 0, 0))
    cut = replace(back, seconds=back.seconds + there.seconds[-1] + 1 / RATE, shot=back.shot + 1)
    for second, jump in ((cut, True), (replace(cut, shot=cut.shot * 0), False)):
        motion = cat_batched([there[2 * RATE :], second[2 * RATE :]])
        seen = framed(photo, motion)
        middle, share = seen_window(photo.camera, seen.camera)
        step = (middle.diff(dim=0).abs().amax(1) + share[:, 0].diff().abs()) / (2 * share[1:, 0])
        assert bool(step.max() > 0.05) is jump
        assert bool(step[:RATE].max() < 0.0101)
        if jump:
            assert float(track_outline(find_person_outline(photo, painted.MODEL), seen).lost.max()) <= 0.02
            assert float(share[:, 0].max()) < SOFT.calm
