"""A body looked at through a camera, and a person drawn as it goes."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.bodies import load_body
from motion_imitate.compositing.compose import compose_into
from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.generators import AVATAR_RENDERER
from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.geometry.camera import crop_camera, crop_window_around, default_intrinsics, project_points
from motion_imitate.geometry.raster import RASTERIZERS, rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.imitate import SHOT_START_REACH, adapt_motion
from motion_imitate.motion.retarget import Retarget
from motion_imitate.person import AvatarAppearance, Person
from motion_imitate.portray import make_person
from motion_imitate.types import Body, Camera, Drawn, Frames, Motion, Source, cat_batched
from tests.support import painted
from tests.support.box_body import NAMES, BoxBody
from tests.support.walk import walk

MODEL = BoxBody()
SIZE = (120, 100)
SHAPES = MODEL.skin.shape_dirs.shape[0]


def standing(count: int, distance: float = 3.0) -> tuple[Body, Camera]:
    body = Body(torch.eye(3).repeat(count, len(NAMES), 1, 1), torch.zeros(count, SHAPES))
    focal, centre = default_intrinsics(SIZE, count)
    return body, Camera(focal, centre, torch.tensor([[0.0, 0.0, distance]]).expand(count, -1))


def test_a_view_shows_the_body_where_its_points_project():
    body, camera = standing(1)
    view = view_of_body(MODEL, rasterize, body, camera, SIZE)
    vertices, joints = MODEL(body)
    assert_close(view.corners, project_points(vertices, camera)[:, MODEL.faces])
    assert_close(view.joints, project_points(joints, camera)[..., :2])
    pixels = ((view.joints[0] + 1) / 2 * torch.tensor([SIZE[1], SIZE[0]])).long()
    inside = (pixels >= 0).all(-1) & (pixels < torch.tensor([SIZE[1], SIZE[0]])).all(-1)
    assert inside.sum() > 8
    assert (view.raster.face[0, pixels[inside, 1], pixels[inside, 0]] >= 0).all()


def test_each_body_is_seen_through_its_own_camera():
    body, camera = standing(3)
    camera = Camera(camera.focal, camera.centre, torch.tensor([[0.0, 0, 3], [0.5, 0, 4], [0, 0.3, 6]]))
    together = view_of_body(MODEL, rasterize, body, camera, SIZE)
    assert len(together) == 3
    for i in range(3):
        alone = view_of_body(MODEL, rasterize, body[i : i + 1], camera[i : i + 1], SIZE)
        assert torch.equal(alone.raster.face, together.raster.face[i : i + 1])
    seen = (together.raster.face >= 0).flatten(1).sum(1)
    assert seen[0] > seen[1] > seen[2]


def test_gradients_reach_pose_shape_and_camera():
    model, (_, camera) = load_body("anny"), standing(1)
    body = Body(model.relaxed[None], torch.zeros(1, len(model.skin.shape_dirs)))
    for draw in (RASTERIZERS["torch"], RASTERIZERS["numba"]):
        body, camera = (x.map(lambda t: t.detach().clone().requires_grad_()) for x in (body, camera))
        raster = view_of_body(model, draw, body, camera, SIZE).raster
        raster.depth[raster.face >= 0].square().sum().backward()
        for given in (body.pose, body.shape, camera.place):
            assert given.grad.isfinite().all()
            assert given.grad.abs().sum() > 0


def test_a_window_of_the_camera_sees_that_part_of_the_picture():
    body, camera = standing(1)
    rows, columns = slice(20, 100), slice(30, 90)
    whole = view_of_body(MODEL, rasterize, body, camera, SIZE)
    part = view_of_body(MODEL, rasterize, body, crop_camera(camera, (rows, columns), SIZE), (80, 60))
    assert (part.raster.face == whole.raster.face[:, rows, columns]).float().mean() > 0.999
    assert (part.raster.face >= 0).any()


def test_the_window_holds_the_points_and_stays_in_the_picture():
    points = torch.tensor([[-0.5, -0.5], [0.5, 0.25]])
    rows, columns = crop_window_around(points, (100, 200), 0.1)
    assert (columns.start, columns.stop) == (40, 160)
    assert rows.start <= 25 - 9
    assert rows.stop >= 62 + 9
    everything = crop_window_around(points * 10, (100, 200), 0.1)
    assert everything == (slice(0, 100), slice(0, 200))
    assert crop_window_around(points + 5, (100, 200), 0.0) is None
    assert crop_window_around(points * torch.nan, (100, 200), 0.0) is None


@pytest.fixture(scope="module")
def render():
    photo = painted.source(painted.standing())
    return FrameRenderer(Person.of(photo, painted.MODEL, painted.painter()), rasterize)


def moved(seconds=0.0, **how):
    body, camera = painted.standing(**how)
    return Motion(body, camera, torch.ones(1), torch.tensor([seconds]))


def test_each_frame_drawn_alone_is_the_frame_drawn_in_a_run(render):
    motion = cat_batched([moved(0.0), moved(0.1, yaw=0.5), moved(0.2, yaw=1.0)])
    ground = torch.full((3, 3, *painted.SIZE), 90, dtype=torch.uint8)
    run = render((Frames(ground, motion.seconds), motion))
    for t in range(3):
        alone = render((Frames(ground[t : t + 1], motion.seconds[t : t + 1]), motion[t : t + 1]))
        assert torch.equal(alone.data[0], run.data[t])


def adapted(runs, how=Retarget()):
    body, camera = standing(1)
    blank = torch.zeros(1, 3, *SIZE)
    photo = Source(blank, blank[:, :1], blank, body, camera, view_of_body(MODEL, rasterize, body, camera, SIZE))
    return cat_batched(list(adapt_motion(runs, photo, MODEL, how)))


@pytest.mark.parametrize("length", [7, 60])
def test_each_shot_is_adapted_as_if_it_were_alone(length):
    """But for where the person starts: near where they stood last, and near their place in the photo."""
    one, other = walk(torch.arange(30) / 30)[0], walk(torch.arange(1, 31) / 20, -1.2, (1.0, 0.4, 3.0))[0]
    joined = cat_batched([one, replace(other, seconds=other.seconds + 1, shot=other.shot + 1)])
    seen = adapted([joined[k : k + length] for k in range(0, 60, length)])
    alone = adapted([one]), adapted([other])
    assert_close(seen.body.pose, torch.cat([part.body.pose for part in alone]), atol=1e-5, rtol=0)
    assert_close(seen.camera.place[:30], alone[0].camera.place, atol=1e-5, rtol=0)
    moved = seen.camera.place[30:] - alone[1].camera.place
    assert_close(moved, moved[:1].expand(30, 3), atol=1e-5, rtol=0)
    stood = alone[0].camera.place[-1] - alone[0].camera.place[0]
    assert stood.norm() > SHOT_START_REACH  # they walked farther
    assert_close(moved[0, [0, 2]], stood[[0, 2]] * (SHOT_START_REACH / stood[[0, 2]].norm()), atol=0.03, rtol=0)
    assert abs(float(moved[0, 1])) < 1e-5


@pytest.mark.parametrize("how", [Retarget(camera="source"), Retarget(camera="copy"), Retarget(scale="match")])
def test_elsewhere_a_shot_starts_where_it_would_alone(how):
    one, other = walk(torch.arange(30) / 30)[0], walk(torch.arange(1, 31) / 20, -1.2, (1.0, 0.4, 3.0))[0]
    joined = cat_batched([one, replace(other, seconds=other.seconds + 1, shot=other.shot + 1)])
    assert_close(adapted([joined], how).camera.place[30:], adapted([other], how).camera.place, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def avatar_renderer():
    photo = painted.source(painted.standing())
    return FrameRenderer(make_person(photo, painted.MODEL, AVATAR_RENDERER), rasterize)


def test_an_avatar_is_drawn_over_any_background_and_each_frame_alone_is_that_of_its_run(avatar_renderer):
    motion = cat_batched([moved(0.0), moved(0.1, across=0.2), moved(0.2, yaw=0.5)])
    ground = torch.randint(0, 256, (3, 3, *painted.SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    kept = ground.clone()
    run = avatar_renderer((Frames(ground, motion.seconds), motion))
    assert torch.equal(ground, kept)
    for t, how in enumerate(({}, {"across": 0.2}, {"yaw": 0.5})):
        alone = avatar_renderer((Frames(ground[t : t + 1], motion.seconds[t : t + 1]), motion[t : t + 1]))
        assert torch.equal(alone.data[0], run.data[t])
        truth, matte, _ = painted.seen(*painted.standing(**how))
        inner = torch.nn.functional.avg_pool2d(matte, 5, 1, 2)[0, 0] > 0.999
        outer = torch.nn.functional.max_pool2d(matte, 17, 1, 8)[0, 0] == 0
        assert torch.equal(run.data[t][:, outer], ground[t][:, outer])
        off = (run.data[t].float() / 255 - truth[0]).abs().mean(0)[inner].mean()
        assert off < (0.06 if t == 2 else 0.02), how  # a body turned by half a radian shows what the photo does not


def corrected_renderer(learnt):
    torch.manual_seed(0)
    networks = CorrectionNetworks().eval()
    if learnt:
        torch.nn.init.normal_(networks.target.glass.head.weight, std=0.05)
    photo = painted.source(painted.standing())
    looks = AvatarAppearance.corrected(photo, painted.MODEL, networks)
    return FrameRenderer(Person(photo, painted.MODEL, looks), rasterize)


def test_corrections_that_are_untrained_or_of_the_photos_own_pose_leave_the_avatar_as_it_is(avatar_renderer):
    motion = cat_batched([moved(0.0), moved(0.1, yaw=0.5)])
    ground = torch.randint(0, 256, (2, 3, *painted.SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    plain, same, other = (
        render((Frames(ground, motion.seconds), motion)).data
        for render in (avatar_renderer, corrected_renderer(False), corrected_renderer(True))
    )
    assert torch.equal(same, plain)
    assert torch.equal(other[0], plain[0])
    assert (other[1] != plain[1]).any(0).float().mean() > 0.02


def test_each_corrected_frame_alone_is_that_of_its_run():
    render = corrected_renderer(True)
    motion = cat_batched([moved(0.0, yaw=0.3), moved(0.1, across=0.2, yaw=0.5), moved(0.2, across=9.0)])
    ground = torch.full((3, 3, *painted.SIZE), 90, dtype=torch.uint8)
    run = render((Frames(ground, motion.seconds), motion))
    for t in range(3):
        alone = render((Frames(ground[t : t + 1], motion.seconds[t : t + 1]), motion[t : t + 1]))
        assert torch.equal(alone.data[0], run.data[t])
    assert torch.equal(run.data[2], ground[2])


def test_an_avatar_that_has_left_the_picture_is_not_drawn(avatar_renderer):
    ground = torch.full((1, 3, *painted.SIZE), 90, dtype=torch.uint8)
    assert torch.equal(avatar_renderer((Frames(ground, torch.zeros(1)), moved(across=9.0))).data, ground)


def test_an_unknown_renderer_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match=r"no renderer 'magic'; choose one of auto, avatar, corrections, .*dense-pose"):
        make_person(painted.source(painted.standing()), painted.MODEL, "magic")


def test_who_has_left_the_picture_is_not_drawn(render):
    ground = torch.full((1, 3, *painted.SIZE), 90, dtype=torch.uint8)
    assert torch.equal(render((Frames(ground, torch.zeros(1)), moved(across=9.0))).data, ground)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_drawing_is_enlarged_and_composed_where_there_is_any(channels):
    colour, cover = torch.full((1, 3, 4, 4), 0.2), torch.zeros(1, 1, 4, 4)
    cover[..., :2] = 0.5
    ground = torch.randint(0, 256, (16, 12, channels), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    picture = ground.clone()
    compose_into(picture, Drawn(colour, cover))
    assert torch.equal(picture[:, 8:], ground[:, 8:])
    if channels == 4:
        assert (picture[:, :4] == torch.tensor([51, 51, 51, 128])).all()
    else:
        assert ((picture[:, :4].float() - (0.5 * ground[:, :4] + 25.5)).abs() < 1).all()
