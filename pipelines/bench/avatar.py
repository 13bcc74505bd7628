"""Benchmark drawing an avatar on one core: posing, the compiled kernels, and plain torch; and avatars of photos."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from motion_imitate.avatar.avatar import Avatar, find_solid_faces
from motion_imitate.avatar.draw import AVATAR_RENDERERS, draw_avatar, draw_avatar_into
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.bodies import load_body
from motion_imitate.bodies.skinning import local_to_global, rest_shape
from motion_imitate.geometry.camera import camera_to_image, project_points
from motion_imitate.geometry.raster import rasterize_numba
from motion_imitate.person import AvatarAppearance
from motion_imitate.types import BodyModel, Motion
from motion_imitate.weights import find_asset
from pipelines.bench.synthetic_clips import standing_motion
from pipelines.bench.timing import time_in_turns

AVATAR_SIZE = (1280, 720)  # height and width of the picture and of the photo
AVATAR_DISTANCE = 2.1  # metres, from which the body fills 85 % of the height
AVATAR_FRAMES = 4
SOFT_PIXELS = 5  # width of the soft outline, odd
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
PHOTO_TRIES = 3  # times that a photo is prepared; the first compiles


def measure_avatar(data: Path | None = None) -> Iterator[str]:
    """Lines on posing and drawing an avatar, and on those of the photos in a folder, or else of the shipped photo."""
    threads = torch.get_num_threads()
    model = cast(BodyModel, load_body())  # mypy does not accept frozen fields for the protocol's attributes
    motion = standing_motion(model, AVATAR_SIZE, AVATAR_FRAMES, AVATAR_DISTANCE)
    yield from measure_body_avatar(model, motion)
    photos = [find_asset("demo/photo.jpg")] if data is None else sorted(data.iterdir())
    for photo in photos:
        if photo.suffix.lower() in PHOTO_SUFFIXES:
            yield measure_photo_avatar(photo, motion, threads)


@torch.inference_mode()
def measure_body_avatar(model: BodyModel, motion: Motion) -> Iterator[str]:
    """Lines on posing and drawing the body's own mesh, coloured by noise."""
    torch.set_num_threads(1)
    avatar = body_as_avatar(model, motion[:1])
    frames = [pose_for_picture(avatar, model, motion[i : i + 1]) for i in range(AVATAR_FRAMES)]
    cover = draw_avatar(avatar, frames[0], AVATAR_SIZE).cover[0]
    yield (
        f"draw {len(avatar.faces)} faces, {1 - float(avatar.solid.float().mean()):.0%} of them soft, over "
        f"{int(cover.sum())} pixels in {int((cover > 0).any(1).sum())} rows, one thread; best and median per frame"
    )
    picture = torch.zeros(*AVATAR_SIZE, 3, dtype=torch.uint8)
    works: dict[str, Callable[[], object]] = {
        "draw in torch": lambda: [AVATAR_RENDERERS["torch"](avatar, frame, AVATAR_SIZE) for frame in frames],
        "draw": lambda: draw_frames_over(picture, avatar, frames),
        "pose": lambda: [pose_for_picture(avatar, model, motion[i : i + 1]) for i in range(AVATAR_FRAMES)],
    }
    times = time_in_turns(works, AVATAR_FRAMES)
    for name, (best, middle) in times.items():
        yield f"  {name:<14} {best:7.2f} {middle:7.2f} ms  x{times['draw in torch'][0] / best:.1f}"


def measure_photo_avatar(photo: Path, motion: Motion, threads: int) -> str:
    """A line on a photo's avatar: seconds until it is ready, and milliseconds of a frame of a motion on one core."""
    from motion_imitate.portray import portray  # needs the video library, which `body_as_avatar` does not

    ready = []
    torch.set_num_threads(threads)
    for _ in range(PHOTO_TRIES):
        begun = perf_counter()
        person = portray([photo])
        ready.append(perf_counter() - begun)
    if not isinstance(person.appearance, AvatarAppearance):
        return f"{photo.name}: no avatar, {person.choice.sentence}"
    torch.set_num_threads(1)
    avatar, shape = person.appearance.avatars[0], person.source.body.shape[:1]
    body = replace(motion.body, shape=shape.expand(len(motion), -1))
    posed = pose_avatar(avatar, person.model, body, motion.camera)
    seen = camera_to_image(posed.vertices, motion.camera)
    picture = torch.zeros(*AVATAR_SIZE, 3, dtype=torch.uint8)

    def draw_motion() -> None:
        for number, vertices in enumerate(seen):
            draw_avatar_into(picture, posed.dress(avatar, number), vertices)

    works: dict[str, Callable[[], object]] = {
        "draw": draw_motion,
        "pose": lambda: pose_avatar(avatar, person.model, body, motion.camera),
    }
    times = time_in_turns(works, len(motion))
    return (
        f"{photo.name}: ready in {min(ready):.2f} s, {len(avatar.faces)} faces, "
        f"{1 - float(avatar.solid.float().mean()):.0%} soft; draw {times['draw'][0]:.2f} {times['draw'][1]:.2f} ms, "
        f"pose {times['pose'][0]:.2f} {times['pose'][1]:.2f} ms"
    )


def draw_frames_over(picture: Tensor, avatar: Avatar, frames: list[Tensor]) -> None:
    """Draw each frame over the same picture."""
    for vertices in frames:
        draw_avatar_into(picture, avatar, vertices)


def pose_for_picture(avatar: Avatar, model: BodyModel, motion: Motion) -> Tensor:
    """Vertices of one frame for `draw_avatar`."""
    return camera_to_image(pose_avatar(avatar, model, motion.body, motion.camera).vertices, motion.camera)[0]


def body_as_avatar(model: BodyModel, motion: Motion, size: tuple[int, int] = AVATAR_SIZE) -> Avatar:
    """The body's own mesh, coloured by noise whose alpha is soft along the body's outline in a photo of that pose."""
    image = project_points(model(motion.body)[0], motion.camera)
    inside = (rasterize_numba(image[:, model.faces], size).face[0] >= 0).float()
    alpha = avg_pool2d(inside[None], SOFT_PIXELS, 1, SOFT_PIXELS // 2)[0] * 255
    noise = torch.randint(256, (*size, 3), generator=torch.Generator().manual_seed(0))
    photos = torch.cat([noise, alpha[..., None]], -1).to(torch.uint8)[None].contiguous()
    weights, joints = model.skin.weights.topk(8)
    source, faces, zeros = image[0, :, :2].contiguous(), model.faces, torch.zeros(len(model.faces), dtype=torch.int64)
    thick = zeros.bool()
    return Avatar(
        rest=rest_shape(model.skin, motion.body.shape)[0][0],
        joints=joints,
        weights=weights,
        source=source,
        faces=faces,
        photo=zeros,
        layer=zeros,
        bias=torch.zeros(1),
        thick=thick,
        solid=find_solid_faces(source[None], faces, zeros, thick, photos),
        photo_turns=local_to_global(motion.body.pose, model.skin.parents)[0],
        photo_places=model(motion.body)[1][0],
        photo_pose=motion.body.pose[0],
        photo_view=torch.tensor([0.0, 0.0, -1.0]),
        kind_colours=torch.full((1, 3), torch.nan),
        photos=photos,
    )
