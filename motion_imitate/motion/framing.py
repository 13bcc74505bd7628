"""Keep a person in the picture: the window of the photo, moved and scaled, that each frame of a motion is seen through.

A frame's result does not depend on how the stream is divided into runs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.geometry.camera import aim_camera, project_points
from motion_imitate.motion.outline import PersonOutline, find_person_outline, pose_skin, track_outline
from motion_imitate.motion.windows import iter_motion_windows
from motion_imitate.types import Batched, BodyModel, Camera, Motion, Source, cat_batched


@dataclass(frozen=True)
class Framing:
    """How the window follows a motion."""

    ahead: float = 5.0  # seconds of the motion that are looked through before a frame is shown
    near: float = 0.3  # the same where a scan shows what comes later
    ease: float = 2.5  # seconds in which the window changes
    lost: float = 0.02  # share of the person; a frame of which less is outside the photo asks for no change
    margin: float = 0.05  # free space round the person, as a fraction of their size
    calm: float = 1.6  # up to this size, times the photo's, a window that stays is better than one that follows
    most: float = 2.5  # the largest window
    reach: float = 0.5  # nothing of a person whom the photo cuts off is nearer the camera, as a fraction of their own
    sway: float = 0.1  # metres that a person whom the photo cuts off moves from their place
    fastest: float = 0.01  # the most that a side of the window moves between frames, as a fraction of its length
    lowest: float = 0.4  # image y above which the window's lower edge never is


@dataclass(frozen=True)
class WindowNeeds(Batched):
    """What each frame asks of the window, in image points of the photo."""

    low: Float[Tensor, "B 2"]  # left and top of what must be inside
    high: Float[Tensor, "B 2"]
    cut: Float[Tensor, " B"]  # below which the window must not reach
    seconds: Float[Tensor, " B"]
    shot: Int[Tensor, " B"]


@dataclass(frozen=True)
class PictureWindow(Batched):
    """A part of the photo's plane in the proportions of the photo."""

    middle: Float[Tensor, "B 2"]  # image point of the photo
    scale: Float[Tensor, " B"]  # its size, times the photo's


def frame_motion(
    runs: Iterable[Motion], source: Source, model: BodyModel, how: Framing = Framing(), scan: Motion | None = None
) -> Iterator[Motion]:
    """Aim the camera of each frame so that the person is in the picture, and where the photo cuts them off is not.

    The motion is the person's own, as the photo's camera sees it. A `scan` shows its beginning roughly beforehand.
    """
    outline = find_person_outline(source, model)
    if outline.is_cut:
        photo = source.camera[:1]
        scan = None if scan is None else hold_place(scan, photo, how)
        runs = step_back((hold_place(run, photo, how) for run in runs), photo, outline, how, scan)
        scan = None if scan is None else cat_batched(list(step_back([scan], photo, outline, how)))
    rough = None if scan is None else window_needs(outline, scan, how)
    until = -torch.inf if rough is None else float(rough.seconds[-1])
    needs: WindowNeeds | None = None
    kept: WindowNeeds | None = None
    goals: PictureWindow | None = None
    shown: PictureWindow | None = None
    begun: Float[Tensor, " M"] = torch.zeros(0, dtype=torch.float64)
    shot: Tensor | None = None
    for around, due in iter_motion_windows(runs, how.ahead, until, how.near):
        old = 0 if needs is None else int((around.seconds <= needs.seconds[-1]).sum())
        known = [] if needs is None else [needs[len(needs) - old :]]
        if old < len(around):
            known.append(window_needs(outline, around[old:], how))
        needs = cat_batched(known)
        windows = []
        for i in range(due.start, due.stop):
            now = float(around.seconds[i])
            told = needs
            if rough is not None and now + how.ahead <= until:
                told = continue_needs(needs, rough, now + how.near)
            kept = widen_needs(told, i, kept, how)
            goal = fit_windows(kept, how)
            if shown is not None and needs.shot[i] != shot and not window_holds(shown, kept):
                goals, shown, begun = None, None, begun[:0]  # where the driver's clip is cut, the window may jump
            shot = needs.shot[i]
            valid = int((begun[1:] <= now - how.ease).sum())
            begun = torch.cat([begun[valid:], begun.new_tensor([now])])
            goals = goal if goals is None else cat_batched([goals[valid:], goal])
            eased = ease_windows(goals, now - begun, how.ease)
            shown = eased if shown is None else slow_window(shown, eased, how.fastest)
            windows.append(shown)
        window = cat_batched(windows)
        yield replace(
            around[due], camera=aim_camera(around.camera[due], window.middle, window.scale[:, None].expand(-1, 2))
        )


def continue_needs(needs: WindowNeeds, rough: WindowNeeds, second: float) -> WindowNeeds:
    """The needs up to a second, then the rough ones."""
    return cat_batched([needs[needs.seconds <= second], rough[rough.seconds > second]])


def hold_place(motion: Motion, photo: Camera, how: Framing) -> Motion:
    """Hold a person whom the photo cuts off at their place: where they went, their cut would show."""
    place = photo.place.to(motion.camera.place)
    away = (motion.camera.place - place) / how.sway
    return replace(motion, camera=replace(motion.camera, place=place + how.sway * torch.tanh(away)))


def step_back(
    runs: Iterable[Motion], photo: Camera, outline: PersonOutline, how: Framing, scan: Motion | None = None
) -> Iterator[Motion]:
    """Step back, with a longer lens, from a person who reaches towards a near camera: their hands look smaller."""
    until = -torch.inf if scan is None else float(scan.seconds[-1])
    distance, last, ease = float(photo.place[0, 2]), None, min(how.ease, how.ahead)
    for around, due in iter_motion_windows(runs, ease, until, how.near):
        now = around.seconds[due][:, None]
        known = (now + ease > until) | (around.seconds <= now + how.near)
        back = distance_missing(outline, around, how.reach) * known
        part = ((around.seconds - now).abs() / ease).clamp(max=1)
        if scan is not None:
            rough = distance_missing(outline, scan, how.reach).expand(len(now), -1)
            back = torch.cat([back, rough], 1)
            part = torch.cat([part, ((scan.seconds - now).abs() / ease).clamp(max=1)], 1)
        steps = []
        for wanted in (back * (1 - part * part * (3 - 2 * part))).amax(1).tolist():
            most = how.fastest * (distance + (wanted if last is None else last))
            last = wanted if last is None else min(max(wanted, last - most), last + most)
            steps.append(last)
        stepped, camera = photo.place.new_tensor(steps)[:, None], around.camera[due]
        longer = camera.focal * (1 + stepped / distance)
        farther = camera.place + stepped * stepped.new_tensor([0.0, 0, 1])
        yield replace(around[due], camera=replace(camera, focal=longer, place=farther))


def distance_missing(outline: PersonOutline, motion: Motion, reach: float) -> Float[Tensor, " B"]:
    """How much farther away the camera must be for nothing of the body to be nearer than that share of its distance."""
    nearest = project_points(pose_skin(outline.skin, motion.body), motion.camera)[:, outline.shown, 2].amin(1)
    return ((reach * motion.camera.place[:, 2] - nearest) / (1 - reach)).clamp(min=0)


def window_needs(outline: PersonOutline, motion: Motion, how: Framing) -> WindowNeeds:
    """The body with free space round it; only what the photo shows of it while little is outside."""
    track = track_outline(outline, motion)
    space = how.margin * (track.high - track.low)
    leaves = (track.lost > how.lost)[:, None]
    widest = 2 * how.most  # a hand just before the camera would be wider
    low = (track.low - space).maximum(track.core_high - widest).minimum(track.core_low)
    high = (track.high + space).minimum(track.core_low + widest).maximum(track.core_high)
    low = torch.where(leaves, low, track.low.clamp(-1, 1))
    high = torch.where(leaves, high, track.high.clamp(-1, 1))
    cut = track.cut.isfinite()[:, None]  # so near the camera, arms would ask for more than looks well
    least = low.maximum(low.new_tensor([-how.calm, 1 - 2 * how.calm])).minimum(track.core_low)
    low = torch.where(cut, least, low)
    high = torch.where(cut, high.clamp(max=how.calm).maximum(track.core_high), high)
    return WindowNeeds(low, high, track.cut - how.margin, motion.seconds.double(), motion.shot)


def widen_needs(needs: WindowNeeds, i: int, kept: WindowNeeds | None, how: Framing) -> WindowNeeds:
    """The needs of frame i and of as many frames after and before it as fit into a calm window, taken together; those
    of other shots only if all fit.

    `kept` is what was returned for the frame before.
    """
    away = needs.seconds - needs.seconds[i]
    coming = needs[i:][(away[i:] <= how.ahead)]
    whole = spread_needs(coming if kept is None else cat_batched([kept, coming]))[-1:]
    if fit_windows(whole, how).scale <= how.calm:
        return whole
    here = needs.shot == needs.shot[i]
    soon = int((here & (away <= how.ease))[i:].sum())
    after = largest_calm(spread_needs(needs[i:][(here & (away <= how.ahead))[i:]]), soon, how)
    past = needs[:i][(here & (away >= -how.ahead))[:i]]
    return largest_calm(spread_needs(cat_batched([after, past[torch.arange(len(past)).flip(0)]])), 1, how)


def spread_needs(needs: WindowNeeds) -> WindowNeeds:
    """For each frame, the needs of it and all before it taken together."""
    low, high, cut = needs.low.cummin(0).values, needs.high.cummax(0).values, needs.cut.cummin(0).values
    return WindowNeeds(low, high, cut, needs.seconds, needs.shot)


def largest_calm(spread: WindowNeeds, least: int, how: Framing) -> WindowNeeds:
    """The last row whose window is calm, but not before the row number `least`, counted from 1."""
    count = max(least, int((fit_windows(spread, how).scale <= how.calm).sum()))
    return spread[count - 1 : count]


def fit_windows(needs: WindowNeeds, how: Framing) -> PictureWindow:
    """The smallest window, not smaller than the photo, that holds what is needed, with its middle next to the photo's.

    Where the photo cuts the person off, the window ends at the cut, and may be smaller to stay in the photo.
    """
    cut = needs.cut.isfinite()
    bottom = needs.cut.clamp(how.lowest, 1)
    high = torch.stack([needs.high[:, 0], torch.where(cut, bottom, needs.high[:, 1])], 1)
    half = (high - needs.low) / 2
    least = torch.where(cut, (bottom + 1) / 2, 1.0)
    scale = half.amax(1).maximum(least).clamp(max=how.most)
    reach = scale[:, None]
    middle = (high - reach).clamp(min=0).minimum(needs.low + reach)
    middle = torch.where(half > reach, (high + needs.low) / 2, middle)
    middle[:, 1] = torch.where(cut, bottom - scale, middle[:, 1])
    return PictureWindow(middle, scale)


def window_holds(window: PictureWindow, needs: WindowNeeds) -> bool:
    """Whether all that is needed is in the window."""
    return bool(((needs.low >= window.middle - window.scale) & (needs.high <= window.middle + window.scale)).all())


def ease_windows(goals: PictureWindow, ages: Float[Tensor, " M"], ease: float) -> PictureWindow:
    """Average goals, the newest last, over the last `ease` seconds: each of them holds what this frame needs.

    A goal counts from its age in seconds to that of the next one; the first also before.
    """
    passed = (ages / ease).clamp(max=1)
    begun = passed * passed * (3 - 2 * passed)
    begun[0] = 1
    shares = -torch.diff(begun, append=begun.new_zeros(1)).to(goals.scale)
    last = goals[-1:]
    middle = last.middle + shares @ (goals.middle - last.middle)
    return PictureWindow(middle, last.scale + shares @ (goals.scale - last.scale))


def slow_window(before: PictureWindow, wanted: PictureWindow, fastest: float) -> PictureWindow:
    """The wanted window, or one on the way to it: a hand that is cut off disturbs less than a window that jumps."""
    moves, grows = wanted.middle - before.middle, wanted.scale - before.scale
    change = float((moves.abs().amax() + grows.abs()) / (2 * before.scale.minimum(wanted.scale)))
    if change <= fastest:
        return wanted
    part = fastest / change
    return PictureWindow(before.middle + part * moves, before.scale + part * grows)
