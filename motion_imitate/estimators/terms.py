"""What a fit weighs against each other, each added to the normal equations of a clip."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.banded import Normal
from motion_imitate.estimators.pose_prior import Habits
from motion_imitate.estimators.rig import BENDS, ROOT, State, kind, turn
from motion_imitate.types import Camera, Sighting

# of the 33 points of the pose network, those that the body has too; the rest are parts of the face
USED = (0, 2, 5, 7, 8, *range(11, 33))
FEET = tuple(USED.index(k) for k in (29, 30, 31, 32))
SHOULDERS = (USED.index(11), USED.index(12))
ANKLES = (USED.index(27), USED.index(28))
HIPS = (USED.index(23), USED.index(24))
TORSO = tuple(USED.index(k) for k in (11, 12, 23, 24))
PLACE_ACCELERATION = (6.0, 6.0, 8.0, 30.0, 30.0, 30.0)  # of the root's place (m/s2) and turn (rad/s2): nothing unusual
ACCELERATION = {  # of bends, rad/s2
    **{"spine_low": 25.0, "spine_high": 25.0, "neck": 40.0, "head": 40.0, "collar": 30.0, "shoulder": 90.0},
    **{"elbow": 110.0, "wrist": 60.0, "hip": 70.0, "knee": 90.0, "ankle": 70.0},
}


def trust(points: tuple[int, ...]) -> Tensor:
    """How much each point of the network is worth beside the limbs' joints."""
    lesser = {0: 0.6, 2: 0.6, 5: 0.6, 7: 0.6, 8: 0.6, 23: 0.6, 24: 0.6, 29: 0.7, 30: 0.7, 31: 0.7, 32: 0.7}
    hands = dict.fromkeys(range(17, 23), 0.4)
    return torch.tensor([{**lesser, **hands}.get(k, 1.0) for k in points], dtype=torch.float64)


@dataclass(frozen=True)
class Evidence:
    """What the pose network saw, in terms of the camera: [T, K, ...] of the points USED."""

    aim: Float[Tensor, "T K 2"]  # x / z and y / z
    sharp: Float[Tensor, " T"]  # the standard error of `aim`
    weight: Float[Tensor, "T K"]
    world: Float[Tensor, "T K 3"]  # metres from the mid-hip, in camera axes
    world_weight: Float[Tensor, "T K"]
    score: Float[Tensor, " T"]
    seconds: Float[Tensor, " T"]

    def __getitem__(self, index: slice | Tensor) -> "Evidence":
        return Evidence(**{k: v[index] for k, v in vars(self).items()})

    def __len__(self) -> int:
        return len(self.score)


ERROR = 0.0045  # standard error of a point, as a part of the crop it was found in


def evidence(seen: Sighting, camera: Camera) -> Evidence:
    focal, centre = camera.focal.double()[:, None], camera.centre.double()[:, None]
    aim = (seen.points.double()[:, USED] - centre) / focal
    axes = seen.crop[..., :2].double() / camera.focal.double()[..., None]  # [T, 2, 2], half the crop in plane units
    extent = 2 * torch.linalg.det(axes).abs().sqrt()
    visible = seen.visible.double()[:, USED]
    there = (seen.score > 0).double()[:, None]
    weight = trust(USED) * ((visible - 0.3) / 0.5).clamp(0.03, 1) * there
    middle = (seen.crop[..., 2].double() - camera.centre.double()) / camera.focal.double()
    world = torch.einsum("tab,tkb->tka", towards(middle), seen.world.double()[:, USED])
    world = world - world[:, HIPS].mean(1, keepdim=True)
    sharp = (ERROR * extent).clamp(min=1e-4)
    far = trust(USED) * (0.4 + 0.6 * visible) * there
    return Evidence(aim, sharp, weight, world, far, seen.score.double(), seen.seconds.double())


def towards(aim: Float[Tensor, "T 2"]) -> Float[Tensor, "T 3 3"]:
    """The least rotation that turns the camera's axis towards a point of the picture plane."""
    ray = torch.cat([aim, torch.ones_like(aim[:, :1])], -1)
    axis = torch.stack([-ray[:, 1], ray[:, 0], torch.zeros_like(ray[:, 0])], -1)
    sine = axis.norm(dim=-1, keepdim=True)
    return turn(axis / sine.clamp(min=1e-12) * torch.atan2(sine, ray[:, 2:]))


def bounded(error2: Tensor, limit2: float) -> Tensor:
    """The weight that lets an error count no more than `limit2`, however large: Geman and McClure's."""
    return (limit2 / (limit2 + error2)) ** 2


def plane(at: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Camera points [..., 3] and their rates [..., 3, D] as x / z and y / z."""
    depth = at[..., 2:].clamp(min=0.2)
    aim = at[..., :2] / depth
    return aim, (rate[..., :2, :] - aim[..., None] * rate[..., 2:, :]) / depth[..., None]


def plane_error(seen: Evidence, at: Float[Tensor, "T K 3"]) -> Float[Tensor, " T"]:
    """How far the points are from where they were seen, in standard errors, on average over what was seen well."""
    aim = at[..., :2] / at[..., 2:].clamp(min=0.2)
    off = (aim - seen.aim).norm(dim=-1) / seen.sharp[:, None]
    return (off * seen.weight).sum(1) / seen.weight.sum(1).clamp(min=1e-6)


def add_points(normal: Normal, seen: Evidence, at: Tensor, rate: Tensor, shape_rate: Tensor, limit: float) -> None:
    """Where the points were seen in the picture."""
    aim, by_step = plane(at, rate)
    by_shape = plane(at, shape_rate)[1]
    unit = seen.sharp[:, None, None]
    error = (aim - seen.aim) / unit
    weight = seen.weight * bounded((error * error).sum(-1), limit**2)
    each = weight[..., None].expand_as(error).flatten(1)
    rates = (by_step / unit[..., None]).flatten(1, 2), (by_shape / unit[..., None]).flatten(1, 2)
    normal.add(error.flatten(1), rates[0], each, rates[1], slice(None))


SPANS = {  # from point to point, how far off the network's guess of the way between them is, in metres, as measured
    **dict.fromkeys(((11, 13), (13, 15), (12, 14), (14, 16)), 0.06),
    **dict.fromkeys(((11, 12), (23, 24)), 0.08),
    **dict.fromkeys(((23, 25), (24, 26)), 0.1),
    **dict.fromkeys(((25, 27), (26, 28)), 0.25),
    **dict.fromkeys(((11, 23), (12, 24)), 0.4),
    **dict.fromkeys(((0, 11), (0, 12), (7, 8), (15, 19), (16, 20), (27, 29), (28, 30), (29, 31), (30, 32)), 0.3),
}
FROM = tuple(USED.index(a) for a, _ in SPANS)
TO = tuple(USED.index(b) for _, b in SPANS)


def add_world(normal: Normal, seen: Evidence, at: Tensor, rate: Tensor, shape_rate: Tensor, strength: float) -> None:
    """What the network guesses of space, limb by limb: its depths are wrong by whole limbs, and they add up."""
    sigma = torch.tensor(tuple(SPANS.values()), dtype=at.dtype)[:, None]

    def way(x: Tensor) -> Tensor:
        return x[:, TO] - x[:, FROM]

    error = (way(at) - way(seen.world)) / sigma
    sure = torch.minimum(seen.world_weight[:, FROM], seen.world_weight[:, TO])
    weight = strength * sure * bounded((error * error).sum(-1), 9.0)
    each = weight[..., None].expand_as(error).flatten(1)
    rates = [(way(x) / sigma[..., None]).flatten(1, 2) for x in (rate, shape_rate)]
    normal.add(error.flatten(1), rates[0], each, rates[1], slice(None))


def add_habits(normal: Normal, habits: Habits, state: State, strength: float) -> None:
    """Usual bends, and hinges that stop."""
    off = state.bends - habits.mean
    bend = (state.bends * habits.hinge).sum(-1)  # [T, C]
    over = (bend - habits.most).clamp(min=0) + (bend - habits.least).clamp(max=0)
    stop = torch.deg2rad(torch.tensor(4.0)).item() ** -2
    gradient = strength * torch.einsum("cab,tcb->tca", habits.precision, off) + stop * over[..., None] * habits.hinge
    normal.gradient[:, ROOT:] += gradient.flatten(1)
    stopping = stop * (over != 0)[..., None, None] * habits.hinge[:, :, None] * habits.hinge[:, None]
    blocks = strength * habits.precision + stopping
    for c in range(len(BENDS)):
        span = slice(ROOT + 3 * c, ROOT + 3 * c + 3)
        normal.diag[:, span, span] += blocks[:, c]


def add_upright(normal: Normal, at: Tensor, rate: Tensor, shape_rate: Tensor, sigma: float, strength: float) -> None:
    """People mostly stand, and cameras are mostly held level: shoulders are about as far away as ankles."""

    def lean(x: Tensor) -> Tensor:  # of depths, or their rates, of the points
        return (x[:, SHOULDERS].mean(1, keepdim=True) - x[:, ANKLES].mean(1, keepdim=True)) / sigma

    error = lean(at[..., 2])
    weight = strength * bounded(error * error, 4.0)
    normal.add(error, lean(rate[..., 2, :]), weight, lean(shape_rate[..., 2, :]), slice(None))


def usual_acceleration() -> Tensor:
    per_bend = torch.tensor([ACCELERATION[kind(name)] for name in BENDS])
    return torch.cat([torch.tensor(PLACE_ACCELERATION), per_bend.repeat_interleave(3)]).double()


def add_smoothness(normal: Normal, state: State, seconds: Tensor, strength: float) -> None:
    """Accelerations are small, in true time."""
    if len(state) < 3:
        return
    gap = seconds.diff().clamp(min=1e-3)[:, None]
    velocity = state[1:].minus(state[:-1]) / gap
    between = (gap[1:] + gap[:-1]) / 2
    error = (velocity[1:] - velocity[:-1]) / between
    weight = strength / usual_acceleration() ** 2
    # the error's rates with the three frames' steps
    one, three = 1 / (gap[:-1] * between), 1 / (gap[1:] * between)
    two = -(one + three)
    for t, rate in ((slice(0, -2), one), (slice(1, -1), two), (slice(2, None), three)):
        normal.gradient[t] += weight * rate * error
        normal.diag[t] += torch.diag_embed(weight * rate * rate)
    normal.next[:-2] += torch.diag_embed(weight * two * one)
    normal.next[1:-1] += torch.diag_embed(weight * three * two)
    normal.after[:-2] += weight * three * one


def standing(seen: Evidence, at: Tensor, slow: float) -> Float[Tensor, "N 4"]:
    """How surely each heel and toe stays where it is to the next frame: its point hardly moves in the picture."""
    aim = seen.aim[:, FEET]
    gap = seen.seconds.diff().clamp(min=1e-3)[:, None]
    window = min(9, len(aim) // 2 * 2 - 1)
    if window > 2:
        padded = torch.nn.functional.pad(aim.flatten(1).T[None], (window // 2, window // 2), mode="replicate")
        aim = torch.nn.functional.avg_pool1d(padded, window, 1)[0].T.view_as(aim)
    depth = (at[1:, FEET, 2] + at[:-1, FEET, 2]) / 2
    speed = aim.diff(dim=0).norm(dim=-1) / gap * depth
    sure = torch.minimum(seen.weight[1:, FEET], seen.weight[:-1, FEET]) / 0.7
    return torch.exp(-((speed / slow) ** 2)) * sure.clamp(max=1)


def add_standing(
    normal: Normal, seen: Evidence, sure: Tensor, at: Tensor, rate: Tensor, shape_rate: Tensor, slide: float
) -> None:
    """Feet that stand do not slide: faster than `slide`, in metres a second, is not standing."""
    if len(at) < 2:
        return
    unit = slide * seen.seconds.diff().clamp(min=1e-3)[:, None, None]
    error = at[:, FEET].diff(dim=0) / unit
    weight = sure * bounded(error.square().sum(-1), 49.0)
    each, error = weight[..., None].expand_as(error).flatten(1), error.flatten(1)
    by_step, by_shape = rate[:, FEET], shape_rate[:, FEET].diff(dim=0) / unit[..., None]
    after, before = ((by_step[t] / unit[..., None]).flatten(1, 2) for t in (slice(1, None), slice(0, -1)))
    heavy_after, heavy_before = after * each[..., None], before * each[..., None]
    normal.diag[1:] += heavy_after.mT @ after
    normal.diag[:-1] += heavy_before.mT @ before
    normal.next[:-1] -= heavy_after.mT @ before
    normal.gradient[1:] += (heavy_after.mT @ error[..., None])[..., 0]
    normal.gradient[:-1] -= (heavy_before.mT @ error[..., None])[..., 0]
    by_shape = by_shape.flatten(1, 2)
    normal.by_shape[1:] += heavy_after.mT @ by_shape
    normal.by_shape[:-1] -= heavy_before.mT @ by_shape
    weighted = by_shape * each[..., None]
    normal.shape.add_(torch.einsum("tns,tnr->sr", weighted, by_shape))
    normal.shape_gradient.add_(torch.einsum("tns,tn->s", weighted, error))


def add_shape(normal: Normal, shape: Tensor, strength: float) -> None:
    """Bodies are ordinary: shape numbers are standard normal."""
    normal.shape.diagonal().add_(strength)
    normal.shape_gradient.add_(strength * shape)
