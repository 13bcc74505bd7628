"""Benchmark the stages of rendering on a GPU beside one core of the CPU, and the whole with its copies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import cast

import torch
from torch.profiler import ProfilerActivity, profile

from motion_imitate.avatar.draw import draw_avatar_into
from motion_imitate.avatar.pose import pose_avatar
from motion_imitate.bodies import load_body
from motion_imitate.compositing.shadow import Floor, cast_shadow
from motion_imitate.compositing.shadow_run import cast_shadow_run
from motion_imitate.device_copy import copy_to_device
from motion_imitate.frame_renderer import FrameRenderer, RenderSettings, frames_of_run
from motion_imitate.generators.corrections import CorrectionNetworks
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.person import AvatarAppearance, AvatarCorrections, Person
from motion_imitate.types import BodyModel, Frames, Motion, Source
from pipelines.bench.avatar import AVATAR_DISTANCE, body_as_avatar
from pipelines.bench.synthetic_clips import standing_motion
from pipelines.bench.timing import time_in_turns
from pipelines.device import find_gpu_fault

GPU_BENCH_SIZES = ((1280, 720), (1920, 1080))  # height and width
GPU_BENCH_TIMES = 7
BUSY_RUNS = 8
WHOLE = "whole, with copies"


@dataclass(frozen=True)
class BenchScene:
    """A person with an avatar of their body's mesh, who stands in a run of frames."""

    person: Person
    motion: Motion
    behind: Frames
    floor: Floor

    @classmethod
    def of(cls, model: BodyModel, size: tuple[int, int], frames: int) -> "BenchScene":
        """In pictures of (height, width)."""
        motion = standing_motion(model, size, frames, AVATAR_DISTANCE)
        avatar = body_as_avatar(model, motion[:1], size)
        image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
        view = view_of_body(model, rasterize, motion.body[:1], motion.camera[:1], size)
        matte = (view.raster.face >= 0).float()[:, None]
        source = Source(image, matte, image, motion.body[:1], motion.camera[:1], view)
        floor = Floor.level(float(body_to_camera(model(motion.body[:1])[0], motion.camera[:1])[0, :, 1].max()))
        behind = Frames(torch.full((frames, 3, *size), 90, dtype=torch.uint8), motion.seconds)
        return cls(Person(source, model, AvatarAppearance((avatar,))), motion, behind, floor)

    def corrected(self) -> Person:
        """The person with untrained corrections."""
        looks, source = self.person.appearance, self.person.source
        assert isinstance(looks, AvatarAppearance)
        networks = CorrectionNetworks().eval()
        corrections = AvatarCorrections.of(looks.avatars[0], source, self.person.model, networks)
        return Person(source, self.person.model, AvatarAppearance(looks.avatars, (corrections,)))


@torch.inference_mode()
def measure_gpu(_: Path | None = None, sizes: tuple[tuple[int, int], ...] = GPU_BENCH_SIZES) -> Iterator[str]:
    """Lines on each stage at each size."""
    torch.set_num_threads(1)
    fault = find_gpu_fault()
    devices = ["cpu"] if fault else ["cpu", "cuda"]
    yield fault or torch.cuda.get_device_name()
    model = cast(BodyModel, load_body())  # mypy does not accept frozen fields for the protocol's attributes
    for size in sizes:
        yield f"{size[1]}x{size[0]}, milliseconds per frame, best and median of {GPU_BENCH_TIMES}; one CPU thread"
        for device in devices:
            scene = BenchScene.of(model, size, frames_of_run(device))
            yield from measure_stages(scene, device)


def measure_stages(scene: BenchScene, device: str) -> Iterator[str]:
    """Lines on the stages of a scene on a device."""
    frames = len(scene.motion)
    plain, corrected = (
        FrameRenderer(person, rasterize, scene.floor, RenderSettings(device=device))
        for person in (scene.person, scene.corrected())
    )
    works: dict[str, Callable[[], object]] = {
        **stage_works(scene, device),
        WHOLE: lambda: plain((scene.behind, scene.motion)),
        "the same, corrected": lambda: corrected((scene.behind, scene.motion)),
    }
    waiting = {name: wait_for_device(work, device) for name, work in works.items()}
    for name, (best, middle) in time_in_turns(waiting, frames, GPU_BENCH_TIMES).items():
        yield f"  {device:<5} {name:<20} {best:8.3f} {middle:8.3f}   {1000 / middle:7.1f} frames/s"
    if device != "cpu":
        memory, busy = torch.cuda.max_memory_allocated() >> 20, busy_share(waiting[WHOLE])
        yield f"  {device:<5} {memory} MiB at most, all stages together; busy for {busy:.0%} of the time of {WHOLE!r}"


def stage_works(scene: BenchScene, device: str) -> dict[str, Callable[[], object]]:
    """Posing, drawing and casting a shadow in a run of frames."""
    model, looks, motion, behind = copy_to_device(
        (scene.person.model, scene.person.appearance, scene.motion, scene.behind), device
    )
    assert isinstance(looks, AvatarAppearance)
    avatar = looks.avatars[0]
    pictures = behind.data.permute(0, 2, 3, 1).contiguous()
    posed = pose_avatar(avatar, model, motion.body, motion.camera)
    seen = camera_to_image(posed.vertices, motion.camera)
    vertices = body_to_camera(model(motion.body)[0], motion.camera)

    def draw() -> None:
        if device == "cpu":
            for t, picture in enumerate(pictures):
                draw_avatar_into(picture, posed.dress(avatar, t), seen[t])
        else:
            from motion_imitate.avatar.draw_cuda import draw_avatar_run, dress_run

            draw_avatar_run(pictures, dress_run(avatar, posed), seen)

    def shade() -> None:
        if device == "cpu":
            for t, picture in enumerate(pictures):
                cast_shadow(picture, vertices[t], model.faces, scene.floor, motion.camera[t : t + 1], rasterize)
        else:
            cast_shadow_run(pictures, vertices, model.faces, scene.floor, motion.camera, rasterize)

    return {
        "pose": lambda: pose_avatar(avatar, model, motion.body, motion.camera),
        "draw": draw,
        "shadow": shade,
    }


def wait_for_device(work: Callable[[], object], device: str) -> Callable[[], object]:
    """The work, and waiting until the device has done it."""

    def waited() -> None:
        work()
        if device != "cpu":
            torch.cuda.synchronize()

    return waited


def busy_share(work: Callable[[], object]) -> float:
    """The share of time in which the GPU computes or copies."""
    begun = perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(BUSY_RUNS):
            work()
        lasted = perf_counter() - begun
    return sum(event.device_time_total for event in seen.events()) / 1e6 / lasted
