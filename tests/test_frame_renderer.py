"""Frames rendered on a GPU: all is drawn there, nothing waits for it, and they are the CPU's frames."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar import draw_cuda, draw_frames
from motion_imitate.avatar.avatar import ContactFaces, CuffFaces, HeadFaces
from motion_imitate.avatar.best_photo import choose_photos, draw_best_photo_into
from motion_imitate.avatar.draw import draw_avatar_into
from motion_imitate.avatar.draw_cuda import dress_run
from motion_imitate.avatar.draw_frames import draw_avatar_frames
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.device_copy import copy_to_device
from motion_imitate.frame_renderer import FrameRenderer, RenderSettings, frames_of_run
from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.imitate import photo_floor
from motion_imitate.person import AvatarAppearance, Person, make_avatars
from motion_imitate.types import Frames, Motion, Raster
from tests.support import painted
from tests.support.on_gpu import needs_gpu
from tests.support.one_device import OneDevice

FRAMES = 3
ARM_BENDS = 1.2  # radians, of the last frame


@cache
def avatar_person() -> Person:
    """A painted person with an avatar."""
    photo = painted.source(painted.standing())
    return Person(photo, painted.MODEL, AvatarAppearance(make_avatars(photo, painted.MODEL)))


def raised_arm(person: Person) -> Motion:
    """The photo's pose, in which the person raises an arm and turns."""
    body, camera = (
        x[:1].map(lambda t: t.expand(FRAMES, *t.shape[1:]).clone()) for x in (person.source.body, person.source.camera)
    )
    share = torch.linspace(0, 1, FRAMES)[:, None]
    joint = person.model.controls["shoulder_left"][0]
    body.pose[:, joint] @= rotation_vector_to_matrix(share * torch.tensor([0.0, 0.0, ARM_BENDS]))
    body.pose[:, 0] @= rotation_vector_to_matrix(share * torch.tensor([0.0, 0.8, 0.0]))
    return Motion(body, camera, torch.ones(FRAMES), torch.arange(FRAMES) / 25)


def noise(person: Person, channels: int = 3) -> torch.Tensor:
    size = person.source.image.shape[2:]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(60, 200, (FRAMES, channels, *size), generator=generator, dtype=torch.uint8)


def no_faces(corners: torch.Tensor, size: tuple[int, int]) -> Raster:
    empty = corners.new_zeros(len(corners), *size)
    return Raster(empty.long(), empty[..., None].expand(-1, -1, -1, 3), empty)


def test_a_run_is_drawn_on_the_device_without_waiting_for_it(monkeypatch, unchecked_shapes):
    launched = []
    monkeypatch.setattr(draw_cuda, "launch_kernel", lambda kernel, *_: launched.append(kernel))
    monkeypatch.setattr(draw_cuda, "cuda_array", lambda tensor: tensor)
    monkeypatch.setattr(draw_cuda, "cuda_arrays", lambda fields: fields)
    person = avatar_person()
    motion, floor = raised_arm(person), photo_floor(person, raised_arm(person))
    renderer = FrameRenderer(person, no_faces, floor, RenderSettings(device="meta"))
    pictures = noise(person).permute(0, 2, 3, 1).to("meta")
    with OneDevice(), torch.inference_mode():
        renderer.draw_run(pictures, motion)
    assert launched == [draw_cuda.place_faces_of_run, draw_cuda.rasterize_run, draw_cuda.blend_run]


def test_a_run_is_dressed_as_each_of_its_frames():
    person = avatar_person()
    (avatar,), motion = person.appearance.avatars, raised_arm(person)
    posed = pose_avatar(avatar, person.model, motion.body, motion.camera)
    run = dress_run(avatar, posed)
    for t in range(FRAMES):
        dressed = posed.dress(avatar, t)
        fading = dressed.spread_lift()
        assert torch.equal(run.photo[t], dressed.photo)
        assert_close((run.source[t], run.lift[t]), (dressed.source, fading.lift))
        faded = fading.lift > 0
        assert torch.equal(run.lifted[faded], fading.lifted[faded])
        assert torch.equal(run.slot, fading.slot)
    assert run.lift[-1].sum() > run.lift[0].sum()


def test_frames_of_several_photos_fade_as_they_do_one_by_one(monkeypatch):
    """What a GPU draws of each avatar is drawn here by the CPU's kernels."""
    person = avatar_person()
    plain = without_fading(person.appearance.avatars[0])

    def draw_here(pictures, run, vertices):
        for t, picture in enumerate(pictures):
            draw_avatar_into(picture, replace(plain, source=run.source[t]), vertices[t])

    monkeypatch.setattr(draw_frames, "draw_avatar_run", draw_here)
    turn = rotation_vector_to_matrix(torch.tensor([0.0, -0.8, 0.0]))
    avatars, motion = (plain, replace(plain, photo_view=turn @ plain.photo_view)), raised_arm(person)
    chosen = [choose_photos(avatars, person.model, motion[t : t + 1]) for t in range(FRAMES)]
    assert {len(photos) for photos in chosen} == {1, 2}
    pictures = noise(person).permute(0, 2, 3, 1).contiguous()
    expected = pictures.clone()
    for t in range(FRAMES):
        draw_best_photo_into(expected[t], avatars, person.model, motion[t : t + 1])
    draw_avatar_frames(pictures, avatars, person.model, motion, chosen)
    assert ((pictures.int() - expected.int()).abs() <= 1).float().mean() > 0.9999


def without_fading(avatar):
    return replace(avatar, contacts=ContactFaces.none(), head=HeadFaces.none(), cuffs=CuffFaces.none())


def test_a_copy_on_a_device_shares_nothing_that_moves():
    person = avatar_person()
    model, looks = copy_to_device((person.model, person.appearance), "meta")
    assert isinstance(looks, AvatarAppearance)
    assert model.faces.device.type == looks.avatars[0].photos.device.type == "meta"
    assert looks.avatars[0].flanks.rays.device.type == model.skin.template.device.type == "meta"
    assert person.model.faces.device.type == person.appearance.avatars[0].photos.device.type == "cpu"
    network = torch.nn.Linear(2, 2)
    assert copy_to_device([network], "cpu")[0] is network
    assert copy_to_device({"net": [network]}, "meta")["net"][0].weight.is_meta
    assert not network.weight.is_meta


def corrected_person() -> Person:
    """A painted person whose avatar is corrected by random networks."""
    torch.manual_seed(0)
    networks = CorrectionNetworks().eval()
    torch.nn.init.normal_(networks.target.glass.head.weight, std=0.05)
    photo = painted.source(painted.standing())
    return Person(photo, painted.MODEL, AvatarAppearance.corrected(photo, painted.MODEL, networks))


PEOPLE = {
    "avatar": avatar_person,
    "corrected": corrected_person,
    "generated": lambda: Person.of(painted.source(painted.standing()), painted.MODEL, painted.painter()),
}


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("looks", PEOPLE)
def test_frames_of_a_gpu_are_those_of_the_cpu(looks, channels):
    person = PEOPLE[looks]()
    motion = raised_arm(person)
    floor = photo_floor(person, motion) if channels == 3 else None
    behind = Frames(noise(person, channels), motion.seconds)
    here, there = (
        FrameRenderer(person, rasterize, floor, RenderSettings(device=device))((behind, motion)).data.int()
        for device in ("cpu", "cuda")
    )
    assert there.device.type == "cpu"
    assert ((here - there).abs().amax(1) <= 2).float().mean() >= 0.998
    assert ((here - behind.data.int()).abs().amax(1) > 2).float().mean() > 0.02


def test_a_gpu_renders_more_frames_at_a_time():
    assert frames_of_run("cuda:1") > frames_of_run("cpu") == RenderSettings().run
