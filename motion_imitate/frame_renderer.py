"""Render a person over background frames: an avatar, or what a generator draws of the posed body."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.best_photo import DrawPosed, choose_photos, draw_best_photo_into, draw_posed_into
from motion_imitate.avatar.draft import draft_size, draw_changed_into
from motion_imitate.avatar.draw import draw_avatar_into
from motion_imitate.avatar.pose import PosedAvatar
from motion_imitate.compositing.compose import compose_into
from motion_imitate.compositing.shadow import Floor, cast_shadow
from motion_imitate.compositing.shadow_run import cast_shadow_run
from motion_imitate.device_copy import copy_to_device
from motion_imitate.generators.turned_face import PosedBody
from motion_imitate.geometry.camera import body_to_camera, camera_to_image, crop_camera, crop_window_around
from motion_imitate.geometry.view import limit_raster_size, view_of_vertices
from motion_imitate.person import AvatarAppearance, AvatarCorrections, Person
from motion_imitate.types import Camera, Drawn, Frames, Motion, Rasterizer

GPU_RUN = 16  # frames


@dataclass(frozen=True)
class RenderSettings:
    """Settings of `render_motion`."""

    view: int = 400  # maximum longer side of the generator's view, in pixels
    margin: float = 0.08  # margin around the body for hair and clothes, as a fraction of its extent
    run: int = 4  # frames rendered at a time; on a GPU better more, see `frames_of_run`
    workers: int = 1  # runs rendered in parallel; one on a GPU
    device: str = "cpu"


def frames_of_run(device: str) -> int:
    """How many frames are best rendered at a time on a device."""
    return RenderSettings.run if device == "cpu" else GPU_RUN


class FrameRenderer:
    """Renders a person over background frames. Stateless; may be called from several threads at once.

    On a GPU frames are moved there once and come back once; avatars that networks do not change are drawn together.
    """

    def __init__(
        self, person: Person, rasterize: Rasterizer, floor: Floor | None = None, how: RenderSettings = RenderSettings()
    ) -> None:
        """Without a `floor` there is no shadow."""
        self.person, self.rasterize, self.floor, self.how = person, rasterize, floor, how
        self.model, self.looks = copy_to_device((person.model, person.appearance), how.device)

    @property
    def draws_runs(self) -> bool:
        """Whether frames are drawn together."""
        looks = self.looks
        return (
            self.how.device != "cpu"
            and isinstance(looks, AvatarAppearance)
            and not looks.corrections
            and looks.faces is None
        )

    def __call__(self, pair: tuple[Frames, Motion]) -> Frames:
        """Render the person over each background frame."""
        behind, motion = pair
        with torch.inference_mode():
            data = behind.data.to(self.how.device).permute(0, 2, 3, 1)
            data = data.clone(memory_format=torch.contiguous_format)
            if self.draws_runs:
                self.draw_run(data, motion)
            else:
                there = motion.to(self.how.device)
                for t in range(len(motion)):
                    self.draw(data[t], there[t : t + 1])
            return Frames(data.permute(0, 3, 1, 2).to("cpu"), behind.seconds)

    def draw_run(self, pictures: UInt8[Tensor, "B H W C"], motion: Motion) -> None:
        """Render frames of a motion of avatars into `pictures`, in place, without waiting for the device."""
        there, looks, own = motion.to(self.how.device), self.looks, self.person.appearance
        assert isinstance(looks, AvatarAppearance)
        assert isinstance(own, AvatarAppearance)
        from motion_imitate.avatar.draw_frames import draw_avatar_frames  # needs CUDA or its simulator

        if self.floor is not None:
            vertices = body_to_camera(self.model(there.body)[0], there.camera)
            cast_shadow_run(pictures, vertices, self.model.faces, self.floor, there.camera, self.rasterize)
        frames = range(len(motion))
        chosen = [choose_photos(own.avatars, self.person.model, motion[t : t + 1]) for t in frames]
        draw_avatar_frames(pictures, looks.avatars, self.model, there, chosen)

    def draw(self, picture: UInt8[Tensor, "H W C"], motion: Motion) -> None:
        """Render one frame of the motion into `picture`, in place."""
        size, model, looks = (picture.shape[0], picture.shape[1]), self.model, self.looks
        vertices, joints = (body_to_camera(points, motion.camera) for points in model(motion.body))
        window = crop_window_around(camera_to_image(vertices, motion.camera)[0, :, :2], size, self.how.margin)
        if window is None:
            return
        if self.floor is not None:
            if picture.device.type == "cpu":
                cast_shadow(picture, vertices[0], model.faces, self.floor, motion.camera, self.rasterize)
            else:
                cast_shadow_run(picture[None], vertices, model.faces, self.floor, motion.camera, self.rasterize)
        if isinstance(looks, AvatarAppearance):
            correct = partial(self.draw_corrected, looks.corrections, vertices, joints)
            draw: DrawPosed = correct if looks.corrections else draw_posed_into
            if looks.faces is not None:
                posed = PosedBody(model, self.rasterize, motion.body, vertices, joints)
                draw = partial(looks.faces.draw_into, posed, draw)
            draw_best_photo_into(picture, looks.avatars, model, motion, draw)
            return
        part, camera = picture[window], crop_camera(motion.camera, window, size)
        small = limit_raster_size((part.shape[0], part.shape[1]), self.how.view)
        view = view_of_vertices(vertices, joints, camera, model, self.rasterize, small)
        with torch.autocast("cuda", torch.float16, enabled=picture.device.type == "cuda"):
            drawn = looks.generator.draw(looks.code, view)
        compose_into(part, Drawn(drawn.colour.float(), drawn.cover.float()))

    def draw_corrected(
        self,
        corrections: Sequence[AvatarCorrections],
        body: Tensor,
        joints: Tensor,
        picture: UInt8[Tensor, "H W C"],
        number: int,
        avatar: Avatar,
        vertices: Float[Tensor, "V 3"],
        camera: Camera,
    ) -> None:
        """As `draw_posed_into`, with corrections; `body` and `joints` are the body's points in camera space."""
        size, own = (picture.shape[0], picture.shape[1]), corrections[number]
        seen = camera_to_image(vertices[None], camera)[0]
        window = crop_window_around(seen[:, :2], size, own.drafts.how.margin)
        if window is None:
            draw_avatar_into(picture, avatar, seen)
            return
        part = crop_camera(camera, window, size)
        small = draft_size(window, own.drafts.how.size)
        view = view_of_vertices(body, joints, part, self.model, self.rasterize, small)
        small_view = camera_to_image(vertices[None], part)
        lifts = (avatar.contacts.lift, avatar.head.lift, avatar.cuffs.gone)
        posed = PosedAvatar(small_view, avatar.source[None], *(lift[None] for lift in lifts))
        draft = own.drafts.draw(posed, view)
        change = own.networks.correct(own.features, own.frame, draft)[0]
        draw_changed_into(picture, avatar, seen, window, change)
