"""Smooth motion, offline and live, and bridge the gaps where the person is not seen."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import matrix_to_rotation_vector, rotation_vector_to_matrix
from motion_imitate.motion.windows import interpolate_motions, iter_motion_windows, local_fit_weights
from motion_imitate.types import Motion, cat_batched

STILL_THRESHOLD = 1e-6  # a joint whose matrix changes less within a window is not smoothed
BRIDGED_WEIGHT = 0.02  # weight of an unseen, bridged frame, where a seen one of full confidence has 1


@dataclass(frozen=True)
class Smoothing:
    """Parameters of offline smoothing."""

    reach: float = 0.2  # seconds on either side of a frame; longer is smoother, and flattens fast motion more
    bridge: float = 1.0  # seconds before the next seen frame within which an unseen pose moves towards it


def smooth(runs: Iterable[Motion], how: Smoothing = Smoothing()) -> Iterator[Motion]:
    """Smooth without lag: fit a parabola in time to rotations and position around each frame, weighted by confidence.

    Motion at a constant rate passes unchanged. At the ends only half a window is available, so the result is less
    smooth. Shape and lens are not changed.
    """
    for around, due in iter_motion_windows(bridge_gaps(runs, how.bridge), how.reach):
        seconds = around.seconds.double()
        trust = around.confidence.double().clamp(min=BRIDGED_WEIGHT)
        weights, _ = local_fit_weights(seconds, seconds[due], how.reach, trust, order=2)
        place = (weights @ around.camera.place.double()).to(around.camera.place)
        now = around[due]
        yield replace(
            now,
            body=replace(now.body, pose=smooth_rotations(around.body.pose, due, weights)),
            camera=replace(now.camera, place=place),
        )


def smooth_rotations(
    pose: Float[Tensor, "M J 3 3"], due: slice, weights: Float[Tensor, "N M"]
) -> Float[Tensor, "N J 3 3"]:
    """Smooth the due rotations, by the weighted mean of the rotation vectors from each to those around it."""
    moving = (pose - pose[:1]).abs().amax((0, 2, 3)) > STILL_THRESHOLD
    turns = pose[:, moving].double()
    moved = []
    for now, weight in zip(turns[due], weights, strict=True):
        near = weight.nonzero()[:, 0]
        ways = matrix_to_rotation_vector(now.mT @ turns[near])
        moved.append(now @ rotation_vector_to_matrix(torch.einsum("m,mji->ji", weight[near], ways)))
    result = pose[due].clone()
    result[:, moving] = torch.stack(moved).to(pose)
    return result


def bridge_gaps(runs: Iterable[Motion], reach: float) -> Iterator[Motion]:
    """Fill frames of confidence 0 from the seen frames before and after; their confidence stays 0.

    In a gap longer than `reach` seconds the last pose is held until `reach` before the next seen frame. Before the
    first seen frame its pose is held if it is within reach; otherwise the input is left unchanged.
    """
    last: Motion | None = None
    gap: list[Motion] = []  # unseen frames that wait for the next seen one
    for run in runs:
        frames = []
        for i in range(len(run)):
            now = run[i : i + 1]
            seen = bool(now.confidence > 0)
            while gap and (seen or now.seconds > gap[0].seconds + reach):
                held = gap.pop(0)
                near = seen and bool(now.seconds <= held.seconds + reach)
                frames.append(bridge_frame(held, last, now if near else None, reach))
            if seen:
                last = now
                frames.append(now)
            else:
                gap.append(now)
        if frames:
            yield cat_batched(frames)
    if gap:
        yield cat_batched([bridge_frame(held, last, None, reach) for held in gap])


def bridge_frame(now: Motion, last: Motion | None, following: Motion | None, reach: float) -> Motion:
    """Interpolate an unseen frame between its seen neighbours, or hold the only one there is."""
    if last is None or following is None:
        known = last or following or now
        return replace(known, confidence=now.confidence, seconds=now.seconds, shot=now.shot)
    start = torch.maximum(last.seconds, following.seconds - reach)
    part = (now.seconds - start) / (following.seconds - start)
    return replace(
        interpolate_motions(last, following, part.to(now.body.pose)), confidence=now.confidence, seconds=now.seconds
    )


@dataclass(frozen=True)
class LiveSmoothing:
    """Parameters of a one-euro filter: slow motion is smoothed strongly, fast motion is followed with little lag."""

    cutoff: float = 1.5  # hertz, at rest; lower is smoother but lags more
    turn_follow: float = 1.0  # hertz added per radian per second
    place_follow: float = 4.0  # hertz added per metre per second
    speed_cutoff: float = 2.0  # hertz, cutoff of the speed estimate
    patience: float = 0.5  # seconds without frames after which the filter restarts


def smooth_live(runs: Iterable[Motion], how: LiveSmoothing = LiveSmoothing()) -> Iterator[Motion]:
    """Smooth causally, for live input: no frame depends on a later one, and the result lags a little.

    Frames where the person is not seen hold the last pose.
    """
    before, turning, moving = None, None, None
    for run in runs:
        frames = []
        for i in range(len(run)):
            now = run[i : i + 1]
            gap = float(now.seconds - before.seconds) if before is not None else torch.inf
            if before is None or turning is None or moving is None or gap > how.patience:
                turning, moving = torch.zeros_like(now.body.pose[..., 0]), torch.zeros_like(now.camera.place)
                before = now
            else:
                before, turning, moving = one_euro_step(before, now, turning, moving, gap, how)
            frames.append(before)
        if frames:
            yield cat_batched(frames)


def one_euro_step(
    before: Motion, now: Motion, turning: Tensor, moving: Tensor, gap: float, how: LiveSmoothing
) -> tuple[Motion, Tensor, Tensor]:
    """The next smoothed frame, and the smoothed speeds of rotation and position."""
    if now.confidence <= 0 or gap <= 0:
        held = replace(before, confidence=now.confidence, seconds=now.seconds)
        return held, turning * 0, moving * 0
    way = matrix_to_rotation_vector(before.body.pose.mT @ now.body.pose)
    step = now.camera.place - before.camera.place
    steady = low_pass_gain(torch.tensor(how.speed_cutoff), gap)
    turning = turning + (way / gap - turning) * steady
    moving = moving + (step / gap - moving) * steady
    by_turn = low_pass_gain(how.cutoff + how.turn_follow * turning.norm(dim=-1, keepdim=True), gap)
    by_place = low_pass_gain(how.cutoff + how.place_follow * moving.norm(dim=-1, keepdim=True), gap)
    trust = now.confidence.clamp(max=1)[:, None]
    pose = before.body.pose @ rotation_vector_to_matrix(way * by_turn * trust[..., None])
    camera = replace(now.camera, place=before.camera.place + step * by_place * trust)
    return replace(now, body=replace(now.body, pose=pose), camera=camera), turning, moving


def low_pass_gain(hertz: Tensor, gap: float) -> Tensor:
    """Fraction of the distance to its input that a low-pass filter covers in `gap` seconds."""
    return 1 - torch.exp(-2 * pi * hertz * gap)
