"""DRN's face module draws the face of a turned head, there alone, and as DRN itself would."""

from functools import cache

import torch
from torch.testing import assert_close

from motion_imitate.frame_renderer import FrameRenderer
from motion_imitate.generators.detail_replenishing import DetailInput
from motion_imitate.generators.face_module import crop_small_boxes, load_face_module
from motion_imitate.generators.load import load_detail_generator, shipped_weights
from motion_imitate.generators.view_keypoints import ViewKeypoints
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.geometry.view import view_of_body
from motion_imitate.person import AvatarAppearance, Person, make_avatars, turn_faces_by_drn
from motion_imitate.types import Frames, Motion
from tests.support import painted


@cache
def people():
    """A painted person as an avatar, and with DRN's face."""
    photo = painted.source(painted.standing())
    person = Person(photo, painted.MODEL, AvatarAppearance(make_avatars(photo, painted.MODEL)))
    return person, turn_faces_by_drn(person)


def head_turned(*degrees):
    """The photo's pose with the head turned."""
    body, camera = painted.standing()
    body, camera = (x.map(lambda t: t.expand(len(degrees), *t.shape[1:]).clone()) for x in (body, camera))
    angles = torch.deg2rad(torch.tensor(degrees))[:, None] * torch.tensor([0.0, 1.0, 0.0])
    body.pose[:, painted.MODEL.controls["head"][0]] @= rotation_vector_to_matrix(angles)
    return Motion(body, camera, torch.ones(len(degrees)), torch.arange(len(degrees)) / 25)


def drawn(person, motion, channels=3):
    behind = torch.full((len(motion), channels, *painted.SIZE), 40 if channels == 3 else 0, dtype=torch.uint8)
    return FrameRenderer(person, rasterize)((Frames(behind, motion.seconds), motion)).data.int()


def test_the_face_changes_once_the_head_turns_and_nothing_else_does():
    motion = head_turned(0.0, 10.0, 30.0, 45.0)
    change = (drawn(people()[1], motion) - drawn(people()[0], motion)).abs().amax(1)
    assert change[:2].max() == 0  # as the photo shows it, or nearly
    assert change[2].float().sum() < change[3].float().sum()
    view = view_of_body(painted.MODEL, rasterize, motion.body[3:], motion.camera[3:], painted.SIZE)
    box, _ = ViewKeypoints.of(painted.MODEL).read_face(view)
    half = torch.tensor([painted.SIZE[1], painted.SIZE[0]]) / 2
    left, top, right, bottom = ((box.view(2, 2) + 1) * half).flatten().tolist()
    margin = 0.5 * max(right - left, bottom - top) + 1
    rows, columns = change[3].nonzero(as_tuple=True)
    assert change[3, int(top) : int(bottom), int(left) : int(right)].float().mean() > 4
    assert top - margin < int(rows.min())
    assert int(rows.max()) < bottom + margin
    assert left - margin < int(columns.min())
    assert int(columns.max()) < right + margin


def test_a_head_that_looks_away_keeps_what_the_avatar_has():
    motion = head_turned(110.0)
    assert torch.equal(drawn(people()[0], motion), drawn(people()[1], motion))


def test_a_transparent_frame_keeps_its_alpha_and_is_as_over_a_background():
    motion = head_turned(40.0)
    clear, opaque = (drawn(people()[1], motion, channels) for channels in (4, 3))
    assert torch.equal(clear[:, 3], drawn(people()[0], motion, 4)[:, 3])
    alpha = clear[:, 3:] / 255
    assert_close(clear[:, :3] * alpha + 40 * (1 - alpha), opaque.float(), atol=2, rtol=0)


def test_the_module_draws_the_faces_that_drn_draws():
    """DRN's face, cut out of its picture in the middle of the box, where the mask is 1."""
    torch.manual_seed(0)
    module, whole = load_face_module(shipped_weights("drn")), load_detail_generator(painted.MODEL).networks
    side = module.side
    face, landmarks = torch.rand(1, 3, side, side) * 2 - 1, torch.rand(1, 11, side, side)
    box = torch.tensor([[-0.5, -0.5, 0.5, 0.5]])
    given = DetailInput(
        torch.zeros(1, 3, 2 * side, 2 * side),
        torch.zeros(1, 36, 2 * side, 2 * side),
        face,
        landmarks,
        box,
        torch.ones(1),
    )
    with torch.no_grad():
        made, own = whole(given).fine[:, :3], module(face, landmarks)
    middle = slice(side // 2 - 2, side // 2 + 2)
    inner = made[..., side // 2 : -side // 2, side // 2 : -side // 2]
    assert_close(inner[..., middle, middle], own[..., middle, middle], atol=2e-3, rtol=0)


def test_a_small_crop_is_a_mean_of_what_it_covers():
    stripes = torch.tensor([0.0, 1.0]).repeat(64).expand(1, 1, 128, 128)
    small = crop_small_boxes(stripes, torch.tensor([[-0.5, -0.5, 0.5, 0.5]]), 16)
    assert_close(small, torch.full_like(small, 0.5), atol=0.05, rtol=0)


def test_the_choice_names_what_draws_the_face():
    plain, faced = people()
    assert (plain.choice.face, faced.choice.face) == ("off", "drn")
    assert faced.choice.tools == "avatar, turned faces by drn"
    assert plain.choice.tools == "avatar"


def test_who_is_drawn_by_networks_has_no_face_of_its_own():
    painter = painted.painter()
    person = Person.of(people()[0].source, painted.MODEL, painter)
    assert turn_faces_by_drn(person) is person


def test_guides_of_faces_that_a_photo_does_not_show_are_grey():
    faces = people()[1].appearance.faces
    away = painted.source(painted.standing(yaw=3.0))
    behind = type(faces).of(away, painted.MODEL, faces.module)
    assert behind.guides.abs().max() == 0
    assert faces.guides.abs().max() > 0.1


def test_the_share_grows_with_the_turn():
    faces = people()[1].appearance.faces
    rays = [rotation_vector_to_matrix(torch.tensor([0.0, a, 0.0])) @ faces.rays[0] for a in (0.1, 0.45, 0.8)]
    low, middle, high = (faces.share(0, ray) for ray in rays)
    assert low == 0
    assert 0.1 < middle < 0.9
    assert high == 1
