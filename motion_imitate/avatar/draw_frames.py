"""Draw a person's avatars in a run of frames on a GPU: each avatar by one launch, without waiting for it."""

from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor

from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.best_photo import mix_pictures
from motion_imitate.avatar.draw_cuda import draw_avatar_run, dress_run
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.types import BodyModel, Motion


def draw_avatar_frames(
    pictures: UInt8[Tensor, "B H W C"],
    avatars: Sequence[Avatar],
    model: BodyModel,
    motion: Motion,
    chosen: Sequence[Sequence[tuple[int, float]]],
) -> None:
    """`draw_best_photo_into` for frames on a device; `chosen` are the photos that each shows, see `choose_photos`."""
    if len(avatars) == 1:
        draw_posed_run(pictures, avatars[0], model, motion)
        return
    layers: list[list[Tensor]] = [[] for _ in chosen]
    for number, avatar in enumerate(avatars):
        frames = [t for t, photos in enumerate(chosen) if number in dict(photos)]
        if frames:
            drawn = pictures[frames]
            draw_posed_run(drawn, avatar, model, motion[torch.tensor(frames)])
            for t, picture in zip(frames, drawn, strict=True):
                layers[t].append(picture)
    for picture, each, photos in zip(pictures, layers, chosen, strict=True):
        picture.copy_(each[0] if len(each) == 1 else mix_pictures(each, [share for _, share in photos]))


def draw_posed_run(pictures: UInt8[Tensor, "B H W C"], avatar: Avatar, model: BodyModel, motion: Motion) -> None:
    """Draw one avatar in the poses of a motion over pictures, in place."""
    posed = pose_avatar(avatar, model, motion.body, motion.camera)
    draw_avatar_run(pictures, dress_run(avatar, posed), camera_to_image(posed.vertices, motion.camera))
