"""A prepared person, seen from any side."""

import torch

from motion_imitate import novel_view
from motion_imitate.background.backdrop import still_backdrop
from motion_imitate.compositing.shadow import Floor
from motion_imitate.geometry.camera import body_to_camera, flip_camera_axes
from motion_imitate.imitate import photo_floor, render_motion
from motion_imitate.motion.turntable import orbit_rotations, turn_person
from motion_imitate.novel_view import TiltedFloor, stand_person
from motion_imitate.types import cat_batched
from tests.support.demo_person import demo_person


def views(person, azimuths, **how):
    return cat_batched(list(novel_view(person, azimuths, **how))).data


def test_0_is_the_photos_own_pose_and_360_the_same_frame():
    person = demo_person()
    source = person.source
    first, last = views(person, (0.0, 360.0))
    still = next(iter(turn_person(source.body, source.camera, (0.0,))))
    [own] = cat_batched(list(render_motion(person, [still]))).data
    assert torch.equal(first, own)
    assert torch.equal(first, last)


def test_nobody_leaves_the_picture():
    person = demo_person()
    size = person.source.image.shape[2:]
    shown = views(
        person, map(float, range(0, 360, 60)), pose="t", elevation=20.0, backdrop=still_backdrop(torch.zeros(4, *size))
    )
    for alpha in shown[:, 3]:
        edges = torch.cat([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert edges.max() == 0
        assert alpha.max() == 255


def test_the_floor_is_under_the_turned_feet():
    person = stand_person(demo_person(), fov=40.0)
    source = person.source
    front = next(iter(turn_person(source.body, source.camera, (0.0,))))
    level, tilted = photo_floor(person, front), TiltedFloor(30.0)(person, front)
    for azimuth in (0.0, 130.0):
        turned = next(iter(turn_person(source.body, source.camera, (azimuth,), elevation=30.0)))
        upright = next(iter(turn_person(source.body, source.camera, (azimuth,))))
        points, before = (body_to_camera(person.model(each.body)[0], each.camera)[0] for each in (turned, upright))
        assert torch.allclose(tilted.heights(points), level.heights(before), atol=1e-4)
        assert tilted.heights(points).min() > -0.02
        tilt = flip_camera_axes(flip_camera_axes(orbit_rotations(torch.zeros(1), 30.0)[0]).mT).mT
        place = source.camera.place[0]
        lowest = level.heights(before).argmin()
        spot = place + tilt @ (level.drop(before[lowest]) - place)
        assert torch.allclose(tilted.drop(points[lowest]), spot, atol=1e-4)
    assert Floor.level(1.0).heights(torch.tensor([5.0, 0.25, 3.0])) == 0.75
