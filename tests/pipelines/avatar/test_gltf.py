"""The exported avatar, read back by the rules of the format alone."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.avatar.avatar import points_to_texels
from motion_imitate.avatar.portable import make_portable
from motion_imitate.avatar.pose import avatar_moves, pose_avatar
from motion_imitate.geometry.camera import camera_to_image, flip_camera_axes
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.person import AvatarAppearance
from motion_imitate.types import Body, Camera, Motion
from pipelines.avatar.gltf import encode_avatar
from pipelines.gltf import find_ground
from tests.support.demo_person import demo_person
from tests.support.glb import check_buffer, joint_matrices, parsed, skinned, values

FRAMES = 3


def swinging() -> Motion:
    """The person of the demo photo bends every joint, twists the forearms, and walks off."""
    source = demo_person().source
    count = source.body.pose.shape[1]
    swing = torch.arange(1, FRAMES + 1)[:, None, None] * torch.randn(
        1, count, 3, generator=torch.Generator().manual_seed(3)
    )
    camera = source.camera[:1].map(lambda values: values.expand(FRAMES, -1))
    place = camera.place + torch.arange(FRAMES)[:, None] * torch.tensor([0.2, -0.1, 0.3])
    pose = source.body.pose[:1] @ rotation_vector_to_matrix(0.1 * swing)
    body = Body(pose, source.body.shape[:1].expand(FRAMES, -1))
    return Motion(body, replace(camera, place=place), torch.ones(FRAMES), 5 + torch.tensor([0.0, 0.1, 0.25]))


@cache
def exported():
    """The demo person, as if the left hand were hidden, and their file."""
    person = demo_person()
    avatar = person.appearance.avatars[0]
    left, right = avatar.body_hands
    avatar = replace(avatar, body_hands=(left._replace(seen=False), right))
    person = replace(person, appearance=AvatarAppearance((avatar,)))
    return person, *parsed(encode_avatar(person, swinging(), "anna"))


@cache
def portable():
    person = exported()[0]
    return make_portable(person.appearance.avatars[0], person.model, *photo_of(person))


def photo_of(person):
    source = person.source
    return source.body[:1], source.camera[:1], (source.image.shape[2], source.image.shape[3])


def world_of(person, camera: Camera, points: torch.Tensor) -> np.ndarray:
    """Points of body space where the file has them."""
    body, photo_camera, _ = photo_of(person)
    return (points + (flip_camera_axes(camera.place) - find_ground(person.model, body, photo_camera))[:, None]).numpy()


def test_the_file_is_well_formed():
    _, document, buffer = exported()
    check_buffer(document, buffer)
    assert "synthetic" in document["asset"]["extras"]["comment"]
    for primitive in document["meshes"][0]["primitives"]:
        attributes = primitive["attributes"]
        count = {document["accessors"][number]["count"] for number in attributes.values()}
        assert len(count) == 1
        assert values(document, buffer, primitive["indices"]).max() < count.pop()
        assert values(document, buffer, attributes["WEIGHTS_0"]).sum(1) == pytest.approx(1, abs=1e-5)
        uv = values(document, buffer, attributes["TEXCOORD_0"])
        assert 0 <= uv.min() < uv.max() <= 1
    children = [child for node in document["nodes"] for child in node.get("children", [])]
    assert sorted([*children, *document["scenes"][0]["nodes"]]) == list(range(len(document["nodes"])))
    turns = [node["rotation"] for node in document["nodes"] if "rotation" in node]
    assert np.abs(turns).max() <= 1


@pytest.mark.parametrize("frame", [None, 0, 2])
def test_vertices_are_where_the_avatar_has_them(frame):
    person, document, buffer = exported()
    body, camera, _ = photo_of(person)
    avatar = portable()
    if frame is not None:
        motion = swinging()[frame : frame + 1]
        body, camera = motion.body, motion.camera
    posed = flip_camera_axes(pose_avatar(avatar, person.model, body, camera).vertices - camera.place[:, None])
    shown = [skinned(document, buffer, frame, k) for k in range(len(document["meshes"][0]["primitives"]))]
    found = np.concatenate([vertices[corners] for vertices, corners in shown])
    where = np.concatenate([avatar.faces[chosen].flatten().numpy() for chosen in primitives_of(avatar)])
    exact = world_of(person, camera, posed)[0][where]
    assert np.linalg.norm(found - exact, axis=1).max() < 1e-4


def primitives_of(avatar):
    """The faces of each primitive, in the order of the file."""
    soft = ~(avatar.thick | avatar.solid)
    chosen = [(avatar.photo == page) & (soft == blended) for page in avatar.photo.unique() for blended in (False, True)]
    return [faces for faces in chosen if faces.any()]


@pytest.mark.parametrize("frame", range(FRAMES))
def test_joints_move_as_the_avatars_do_body_hands_too(frame):
    person, document, buffer = exported()
    motion = swinging()[frame : frame + 1]
    moves = avatar_moves(person.appearance.avatars[0], person.model, motion.body).joints
    points = torch.tensor([[0.1, 0.2, 0.3], [-0.4, 0.1, 0.2]])
    truth = world_of(
        person,
        motion.camera,
        (moves[0, :, :, :3] @ points.T).mT.flatten(0, 1)[None] + moves[:, :, :, 3].repeat_interleave(2, 1),
    )[0]
    joints = joint_matrices(document, buffer, frame)
    found = np.einsum("jab,pb->jpa", joints, np.concatenate([points.numpy(), np.ones((2, 1))], 1))[..., :3]
    assert np.abs(found.reshape(-1, 3) - truth).max() < 1e-4
    times = values(document, buffer, document["animations"][0]["samplers"][0]["input"])[:, 0]
    assert times == pytest.approx([0, 0.1, 0.25], abs=1e-6)


def test_the_person_stands_on_the_ground_before_a_camera_that_sees_the_photo():
    person, document, buffer = exported()
    body, camera, size = photo_of(person)
    names = {node["name"]: node for node in document["nodes"]}
    eye, lens = np.array(names["photo"]["translation"]), document["cameras"][0]["perspective"]
    avatar = person.appearance.avatars[0]
    seen = camera_to_image(pose_avatar(avatar, person.model, body, camera).vertices, camera)[0, :, :2]
    seen = (seen + 1) * torch.tensor([size[1] / 2, size[0] / 2])
    for number in range(len(document["meshes"][0]["primitives"])):
        vertices, _ = skinned(document, buffer, None, number)
        assert -0.06 < vertices[:, 1].min() < vertices[:, 1].max() < 2.2
        high = np.tan(lens["yfov"] / 2)
        away = vertices - eye
        image = away[:, :2] / -away[:, 2:] / [high * lens["aspectRatio"], -high]
        pixels = torch.from_numpy((image + 1) * [size[1] / 2, size[0] / 2]).float()
        assert torch.cdist(pixels, seen, compute_mode="donot_use_mm_for_euclid_dist").amin(1).max() < 0.1
    face = values(document, buffer, document["meshes"][0]["primitives"][0]["attributes"]["POSITION"])
    assert face[:, 2].max() > 0  # in front of the joints, which the root's z is 0 of
    assert abs(names["root"]["translation"][0]) < 1e-4


def test_textures_show_what_the_photo_shows():
    _, document, buffer = exported()
    avatar = portable()
    height, width = avatar.photos.shape[1:3]
    for faces, primitive in zip(primitives_of(avatar), document["meshes"][0]["primitives"], strict=True):
        material = document["materials"][primitive["material"]]
        texture = document["textures"][material["pbrMetallicRoughness"]["baseColorTexture"]["index"]]
        view = document["bufferViews"][document["images"][texture["source"]]["bufferView"]]
        data = np.frombuffer(buffer[view["byteOffset"] : view["byteOffset"] + view["byteLength"]], np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
        uv = values(document, buffer, primitive["attributes"]["TEXCOORD_0"])
        spot = (uv * image.shape[1::-1]).astype(np.float32) - 0.5
        chosen = avatar.faces[faces].unique()
        at = points_to_texels(avatar.source[chosen], (height, width)).numpy()
        page = avatar.photos[avatar.photo[faces][0]].numpy()
        shown, truth = (
            cv2.remap(of, points[:, :1], points[:, 1:], cv2.INTER_LINEAR)[:, 0].astype(int)
            for of, points in ((image, spot), (page, at))
        )
        inside = ((at > 1) & (at < [width - 2, height - 2])).all(1)
        assert np.abs(shown - truth)[inside].max() <= 4  # of 255; points are rounded
