"""Smooth, bridge and follow a motion, for files and for live input."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.geometry.rotations import from_vectors, to_vectors
from motion_imitate.motion.windows import local_fit, mixed, surrounded
from motion_imitate.types import Motion, cat

STILL = 1e-6  # a joint whose matrix changes less within a window is passed as it is
FAINT = 0.02  # what an unseen, bridged frame counts in a fit beside a sure one's 1


@dataclass(frozen=True)
class Smoothing:
    reach: float = 0.2  # seconds looked at on either side; longer is smoother and blunter
    bridge: float = 1.0  # seconds before being seen again, from when on an unseen pose moves there


def smooth(runs: Iterable[Motion], how: Smoothing = Smoothing()) -> Iterator[Motion]:
    """Without lag: turns and place are fitted round each frame by a parabola in time, weighted by confidence.

    What moves or turns at a constant rate passes unchanged, at the ends too, where half a window makes it less smooth.
    Shape and lens pass through.
    """
    for around, due in surrounded(bridge(runs, how.bridge), how.reach):
        seconds = around.seconds.double()
        trust = around.confidence.double().clamp(min=FAINT)
        weights, _ = local_fit(seconds, seconds[due], how.reach, trust, order=2)
        place = (weights @ around.camera.place.double()).to(around.camera.place)
        now = around[due]
        yield replace(
            now,
            body=replace(now.body, pose=smooth_turns(around.body.pose, due, weights)),
            camera=replace(now.camera, place=place),
        )


def smooth_turns(pose: Float[Tensor, "M J 3 3"], due: slice, weights: Float[Tensor, "N M"]) -> Float[Tensor, "N J 3 3"]:
    """Each due turn moved by the weighted mean of the ways from it to the turns around it."""
    moving = (pose - pose[:1]).abs().amax((0, 2, 3)) > STILL
    turns = pose[:, moving].double()
    moved = []
    for now, weight in zip(turns[due], weights, strict=True):
        near = weight.nonzero()[:, 0]
        ways = to_vectors(now.mT @ turns[near])
        moved.append(now @ from_vectors(torch.einsum("m,mji->ji", weight[near], ways)))
    result = pose[due].clone()
    result[:, moving] = torch.stack(moved).to(pose)
    return result


def bridge(runs: Iterable[Motion], reach: float) -> Iterator[Motion]:
    """Frames of confidence 0 take their body and camera from the seen frames before and after; confidence stays 0.

    A gap longer than `reach` seconds is held until then; before anything is seen, the first sight is held, if it is
    within reach, or else the input left as it is.
    """
    last: Motion | None = None
    gap: list[Motion] = []  # frames that wait for what comes after them
    for run in runs:
        frames = []
        for i in range(len(run)):
            now = run[i : i + 1]
            seen = bool(now.confidence > 0)
            while gap and (seen or now.seconds > gap[0].seconds + reach):
                held = gap.pop(0)
                near = seen and bool(now.seconds <= held.seconds + reach)
                frames.append(bridged(held, last, now if near else None, reach))
            if seen:
                last = now
                frames.append(now)
            else:
                gap.append(now)
        if frames:
            yield cat(frames)
    if gap:
        yield cat([bridged(held, last, None, reach) for held in gap])


def bridged(now: Motion, last: Motion | None, following: Motion | None, reach: float) -> Motion:
    if last is None or following is None:
        known = last or following or now
        return replace(known, confidence=now.confidence, seconds=now.seconds)
    start = torch.maximum(last.seconds, following.seconds - reach)
    part = (now.seconds - start) / (following.seconds - start)
    return replace(mixed(last, following, part.to(now.body.pose)), confidence=now.confidence, seconds=now.seconds)


@dataclass(frozen=True)
class LiveSmoothing:
    """A one-euro filter: slow motion is smoothed a lot, fast motion follows at once."""

    cutoff: float = 1.5  # hertz, for what hardly moves; lower is smoother and later
    turn_follow: float = 1.0  # hertz gained per radian a second
    place_follow: float = 4.0  # hertz gained per metre a second
    speed_cutoff: float = 2.0  # hertz, of the speed itself
    patience: float = 0.5  # seconds without frames after which it starts afresh


def smooth_live(runs: Iterable[Motion], how: LiveSmoothing = LiveSmoothing()) -> Iterator[Motion]:
    """Causal: a frame's result depends on no later frame, and lags a little. Unseen frames hold the last pose."""
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
                before, turning, moving = follow(before, now, turning, moving, gap, how)
            frames.append(before)
        if frames:
            yield cat(frames)


def follow(
    before: Motion, now: Motion, turning: Tensor, moving: Tensor, gap: float, how: LiveSmoothing
) -> tuple[Motion, Tensor, Tensor]:
    """The next smoothed frame, and the smoothed speeds that go with it."""
    if now.confidence <= 0 or gap <= 0:
        held = replace(before, confidence=now.confidence, seconds=now.seconds)
        return held, turning * 0, moving * 0
    way = to_vectors(before.body.pose.mT @ now.body.pose)
    step = now.camera.place - before.camera.place
    steady = catch_up(torch.tensor(how.speed_cutoff), gap)
    turning = turning + (way / gap - turning) * steady
    moving = moving + (step / gap - moving) * steady
    by_turn = catch_up(how.cutoff + how.turn_follow * turning.norm(dim=-1, keepdim=True), gap)
    by_place = catch_up(how.cutoff + how.place_follow * moving.norm(dim=-1, keepdim=True), gap)
    trust = now.confidence.clamp(max=1)[:, None]
    pose = before.body.pose @ from_vectors(way * by_turn * trust[..., None])
    camera = replace(now.camera, place=before.camera.place + step * by_place * trust)
    return replace(now, body=replace(now.body, pose=pose), camera=camera), turning, moving


def catch_up(hertz: Tensor, gap: float) -> Tensor:
    """What part of the way to its input a low pass covers in `gap` seconds."""
    return 1 - torch.exp(-2 * pi * hertz * gap)
