"""How right the fitted body is, against a clip whose joints four cameras agree on, and how fast clips are seen."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from motion_imitate.bodies.skinning import Skinned, posed_keypoints
from motion_imitate.estimators.landmarks import Landmarking, Landmarks
from motion_imitate.estimators.silhouette import Edges, filled
from motion_imitate.geometry.camera import to_camera
from motion_imitate.metrics.motion import acceleration_error, aligned, from_root, mean_error, overlap, sliding
from motion_imitate.types import BodyModel, Motion, Sighting, cat
from motion_imitate.video import read, write
from pipelines.bench.process import run_alone
from pipelines.bench.synthetic_clips import LONG, swaying, there_and_back
from pipelines.motion.estimate import body_model, fitted, sightings, watching
from pipelines.motion.options import Seeing

CAMERAS = (1, 2, 3, 4)
JOINTS = [11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
HIPS = (6, 7)  # among those
FEET = [29, 30, 31, 32]
STANDING = 0.2  # metres a second, below which a true heel or toe is taken to stand
WAYS = {
    "default": Seeing(),
    "best": Seeing(quality="best"),
    "fast": Seeing(quality="fast"),
    "live": Seeing(live=True),
}
EVERY = 5  # frames from one whose outline is compared to the next


def measure(data: Path | None) -> Iterator[str]:
    torch.set_num_threads(1)
    if data is None or not (data / "gt_single.npz").exists():
        yield "estimate: give --data DIR, a folder of Pose2Sim's single_cam*.mp4 and gt_single.npz of their true joints"
        return
    clips = {n: clip for n in CAMERAS if (clip := data / f"single_cam{n:02d}.mp4").exists()}
    yield from accuracy(clips, dict(np.load(data / "gt_single.npz")))
    yield from speed(next(iter(clips.values())))
    yield from memory()


def accuracy(clips: dict[int, Path], truth: dict[str, np.ndarray]) -> Iterator[str]:
    yield "against joints that four cameras agree on, 12 joints of one person, each camera alone"
    yield f"{'':14}PA-MPJPE    MPJPE  accel.  sliding    outline"
    yield f"{'':14}      mm       mm    m/s2      m/s  of 1 (IoU)"
    model = body_model("anny")
    for camera, clip in clips.items():
        seen = cat([max(Landmarks(Landmarking(rate=1e6))(run), key=share) for run in read(clip)])
        index = camera - 1
        true = torch.from_numpy(truth["X"] @ truth["R"][index].T + truth["t"][index])
        for name, seeing in WAYS.items():
            what = watching(clip, seeing, lambda _: None)
            motion = cat(list(fitted(what, sightings(what), model)))
            yield f"camera {camera} {name:8}" + judged(model, motion, seen, true, float(what.info.rate))


def share(seen: Sighting) -> float:
    return float(seen.score.mean())


def judged(model: BodyModel, motion: Motion, seen: Sighting, true: Tensor, rate: float) -> str:
    at = to_camera(posed_keypoints(cast(Skinned, model), motion.body, "blazepose33"), motion.camera).double()
    ours, theirs = at[:, JOINTS], true[:, JOINTS]
    root, goal = from_root(ours, HIPS), from_root(theirs, HIPS)
    stands = true[:, FEET].diff(dim=0).norm(dim=-1) * rate < STANDING
    figures = (
        1000 * mean_error(aligned(ours, theirs), theirs),
        1000 * mean_error(root, goal),
        acceleration_error(root, goal, rate),
        sliding(at[:, FEET], stands, rate),
        outline(model, motion, seen),
    )
    return "{:8.1f} {:8.1f} {:7.1f} {:8.2f} {:8.3f}".format(*figures)


def outline(model: BodyModel, motion: Motion, seen: Sighting) -> float:
    """How well the body's outline covers the person's mask, in the masks of every frame looked at anew."""
    rows = torch.arange(0, len(seen), EVERY)
    edges = Edges.of(seen[rows], motion.camera[rows])
    vertices = to_camera(model(motion.body[rows])[0], motion.camera[rows])[:, model.proxy_vertices].double()
    covered = filled(edges.pixels(vertices[..., :2] / vertices[..., 2:]), model.proxy_faces)
    return overlap(covered > 0, edges.distance < 0)


def speed(clip: Path) -> Iterator[str]:
    frames = sum(len(run) for run in read(clip))
    with tempfile.TemporaryDirectory() as folder:
        longer = Path(folder) / "longer.mp4"  # the clip there and back, so that starting up does not count for much
        times = 4
        write(longer, there_and_back(clip, times), 60)
        for name in ("default", "fast"):
            arguments = ["motion", "overlay", str(longer), "-o", str(Path(folder) / f"{name}.mp4"), "--quality", name]
            seconds, most = run_alone(arguments)
            yield (
                f"overlay of {frames * times} frames of {clip.name}, {name}: {frames * times / seconds:.1f} frames/s "
                f"from start to end, at most {most:.0f} MiB"
            )


def memory() -> Iterator[str]:
    """What a clip of LONG frames takes, beside a tenth of it."""
    most: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in (LONG // 10, LONG):
            clip = Path(folder) / f"{frames}.mp4"
            write(clip, swaying(frames), 60)
            output = str(clip.with_name(f"{frames}-out.mp4"))
            seconds, peak = run_alone(["motion", "overlay", str(clip), "-o", output, "--quality", "fast"])
            most.append(peak)
            yield f"{frames} frames of a made-up person, fast: {frames / seconds:.0f} frames/s, at most {peak:.0f} MiB"
    yield f"ten times the frames take {most[1] / most[0]:.2f} times the memory"
