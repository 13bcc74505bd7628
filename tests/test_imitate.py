"""A body looked at through a camera."""

import torch
from box_body import NAMES, BoxBody
from torch.testing import assert_close

from motion_imitate.bodies import load
from motion_imitate.camera import project, unknown_lens
from motion_imitate.imitate import look
from motion_imitate.raster import RASTERIZERS, rasterize
from motion_imitate.types import Body, Camera

MODEL = BoxBody()
SIZE = (120, 100)
SHAPES = MODEL.skin.shape_dirs.shape[0]


def standing(count: int, distance: float = 3.0) -> tuple[Body, Camera]:
    body = Body(torch.eye(3).repeat(count, len(NAMES), 1, 1), torch.zeros(count, SHAPES))
    focal, centre = unknown_lens(SIZE, count)
    return body, Camera(focal, centre, torch.tensor([[0.0, 0.0, distance]]).expand(count, -1))


def test_a_view_shows_the_body_where_its_points_project():
    body, camera = standing(1)
    view = look(MODEL, rasterize, body, camera, SIZE)
    vertices, joints = MODEL(body)
    assert_close(view.corners, project(vertices, camera)[:, MODEL.faces])
    assert_close(view.joints, project(joints, camera)[..., :2])
    pixels = ((view.joints[0] + 1) / 2 * torch.tensor([SIZE[1], SIZE[0]])).long()
    inside = (pixels >= 0).all(-1) & (pixels < torch.tensor([SIZE[1], SIZE[0]])).all(-1)
    assert inside.sum() > 8
    assert (view.raster.face[0, pixels[inside, 1], pixels[inside, 0]] >= 0).all()


def test_each_body_is_seen_through_its_own_camera():
    body, camera = standing(3)
    camera = Camera(camera.focal, camera.centre, torch.tensor([[0.0, 0, 3], [0.5, 0, 4], [0, 0.3, 6]]))
    together = look(MODEL, rasterize, body, camera, SIZE)
    assert len(together) == 3
    for i in range(3):
        alone = look(MODEL, rasterize, body[i : i + 1], camera[i : i + 1], SIZE)
        assert torch.equal(alone.raster.face, together.raster.face[i : i + 1])
    seen = (together.raster.face >= 0).flatten(1).sum(1)
    assert seen[0] > seen[1] > seen[2]


def test_gradients_reach_pose_shape_and_camera():
    model, (_, camera) = load("anny"), standing(1)
    body = Body(model.relaxed[None], torch.zeros(1, len(model.skin.shape_dirs)))
    for draw in RASTERIZERS.values():
        body, camera = (x.map(lambda t: t.detach().clone().requires_grad_()) for x in (body, camera))
        raster = look(model, draw, body, camera, SIZE).raster
        raster.depth[raster.face >= 0].square().sum().backward()
        for given in (body.pose, body.shape, camera.place):
            assert given.grad.isfinite().all()
            assert given.grad.abs().sum() > 0
