"""The terms of the fit; each is added to the normal equations of a clip."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.estimators.banded import NormalEquations
from motion_imitate.estimators.pose_prior import PosePrior
from motion_imitate.estimators.rig import BENDS, ROOT_SIZE, PoseState, bend_kind
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.types import Camera, Sighting

# of the pose network's 33 landmarks, those that the body model has; the rest are facial features
FITTED_LANDMARKS = (0, 2, 5, 7, 8, *range(11, 33))
FOOT_ROWS = tuple(FITTED_LANDMARKS.index(k) for k in (29, 30, 31, 32))
SHOULDER_ROWS = (FITTED_LANDMARKS.index(11), FITTED_LANDMARKS.index(12))
ANKLE_ROWS = (FITTED_LANDMARKS.index(27), FITTED_LANDMARKS.index(28))
HIP_ROWS = (FITTED_LANDMARKS.index(23), FITTED_LANDMARKS.index(24))
TORSO_ROWS = tuple(FITTED_LANDMARKS.index(k) for k in (11, 12, 23, 24))
ROOT_ACCELERATION = (6.0, 6.0, 8.0, 30.0, 30.0, 30.0)  # root, m/s2 and rad/s2, one standard deviation
BEND_ACCELERATION = {  # of bends, rad/s2, one standard deviation
    **{"spine_low": 25.0, "spine_high": 25.0, "neck": 40.0, "head": 40.0, "collar": 30.0, "shoulder": 90.0},
    **{"elbow": 110.0, "wrist": 60.0, "hip": 70.0, "knee": 90.0, "ankle": 70.0},
}


def landmark_trust(points: tuple[int, ...]) -> Tensor:
    """The weight of each landmark relative to the joints of the limbs."""
    lesser = {0: 0.6, 2: 0.6, 5: 0.6, 7: 0.6, 8: 0.6, 23: 0.6, 24: 0.6, 29: 0.7, 30: 0.7, 31: 0.7, 32: 0.7}
    hands = dict.fromkeys(range(17, 23), 0.4)
    return torch.tensor([{**lesser, **hands}.get(k, 1.0) for k in points], dtype=torch.float64)


@dataclass(frozen=True)
class PoseEvidence:
    """What the pose network saw, in camera coordinates: [T, K, ...] of the landmarks FITTED_LANDMARKS."""

    aim: Float[Tensor, "T K 2"]  # x / z and y / z
    sharp: Float[Tensor, " T"]  # the standard error of `aim`
    weight: Float[Tensor, "T K"]
    world: Float[Tensor, "T K 3"]  # metres from the mid-hip, along the camera's axes
    world_weight: Float[Tensor, "T K"]
    score: Float[Tensor, " T"]
    seconds: Float[Tensor, " T"]

    def __getitem__(self, index: slice | Tensor) -> "PoseEvidence":
        return PoseEvidence(**{k: v[index] for k, v in vars(self).items()})

    def __len__(self) -> int:
        return len(self.score)


LANDMARK_ERROR = 0.0045  # standard error of a landmark, as a fraction of its crop


def evidence_from_sighting(seen: Sighting, camera: Camera) -> PoseEvidence:
    """The landmarks of a sighting in camera coordinates, weighted by visibility."""
    focal, centre = camera.focal.double()[:, None], camera.centre.double()[:, None]
    aim = (seen.points.double()[:, FITTED_LANDMARKS] - centre) / focal
    axes = seen.crop[..., :2].double() / camera.focal.double()[..., None]  # [T, 2, 2], half the crop
    extent = 2 * torch.linalg.det(axes).abs().sqrt()
    visible = seen.visible.double()[:, FITTED_LANDMARKS]
    there = (seen.score > 0).double()[:, None]
    weight = landmark_trust(FITTED_LANDMARKS) * ((visible - 0.3) / 0.5).clamp(0.03, 1) * there
    middle = (seen.crop[..., 2].double() - camera.centre.double()) / camera.focal.double()
    world = torch.einsum("tab,tkb->tka", rotation_towards_ray(middle), seen.world.double()[:, FITTED_LANDMARKS])
    world = world - world[:, HIP_ROWS].mean(1, keepdim=True)
    sharp = (LANDMARK_ERROR * extent).clamp(min=1e-4)
    far = landmark_trust(FITTED_LANDMARKS) * (0.4 + 0.6 * visible) * there
    return PoseEvidence(aim, sharp, weight, world, far, seen.score.double(), seen.seconds.double())


def rotation_towards_ray(aim: Float[Tensor, "T 2"]) -> Float[Tensor, "T 3 3"]:
    """The smallest rotation that turns the camera's axis towards a point of the image plane."""
    ray = torch.cat([aim, torch.ones_like(aim[:, :1])], -1)
    axis = torch.stack([-ray[:, 1], ray[:, 0], torch.zeros_like(ray[:, 0])], -1)
    sine = axis.norm(dim=-1, keepdim=True)
    return rotation_vector_to_matrix(axis / sine.clamp(min=1e-12) * torch.atan2(sine, ray[:, 2:]))


def geman_mcclure_weight(error2: Tensor, limit2: float) -> Tensor:
    """Geman-McClure weight: keeps an error's contribution below `limit2`, however large the error."""
    return (limit2 / (limit2 + error2)) ** 2


def project_with_rates(at: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Project camera-space points [..., 3] and their derivatives [..., 3, D] to the image plane (x / z, y / z)."""
    depth = at[..., 2:].clamp(min=0.2)
    aim = at[..., :2] / depth
    return aim, (rate[..., :2, :] - aim[..., None] * rate[..., 2:, :]) / depth[..., None]


def reprojection_error(seen: PoseEvidence, at: Float[Tensor, "T K 3"]) -> Float[Tensor, " T"]:
    """Mean distance of the points from the landmarks, in standard errors, weighted by visibility."""
    aim = at[..., :2] / at[..., 2:].clamp(min=0.2)
    off = (aim - seen.aim).norm(dim=-1) / seen.sharp[:, None]
    return (off * seen.weight).sum(1) / seen.weight.sum(1).clamp(min=1e-6)


def add_reprojection(
    normal: NormalEquations, seen: PoseEvidence, at: Tensor, rate: Tensor, shape_rate: Tensor, limit: float
) -> None:
    """Add the reprojection term: the body's points should project onto the landmarks."""
    aim, by_step = project_with_rates(at, rate)
    by_shape = project_with_rates(at, shape_rate)[1]
    unit = seen.sharp[:, None, None]
    error = (aim - seen.aim) / unit
    weight = seen.weight * geman_mcclure_weight((error * error).sum(-1), limit**2)
    each = weight[..., None].expand_as(error).flatten(1)
    rates = (by_step / unit[..., None]).flatten(1, 2), (by_shape / unit[..., None]).flatten(1, 2)
    normal.add(error.flatten(1), rates[0], each, rates[1], slice(None))


LIMB_ERRORS = {  # measured error, in metres, of the network's vector from one landmark to another
    **dict.fromkeys(((11, 13), (13, 15), (12, 14), (14, 16)), 0.06),
    **dict.fromkeys(((11, 12), (23, 24)), 0.08),
    **dict.fromkeys(((23, 25), (24, 26)), 0.1),
    **dict.fromkeys(((25, 27), (26, 28)), 0.25),
    **dict.fromkeys(((11, 23), (12, 24)), 0.4),
    **dict.fromkeys(((0, 11), (0, 12), (7, 8), (15, 19), (16, 20), (27, 29), (28, 30), (29, 31), (30, 32)), 0.3),
}
LIMB_STARTS = tuple(FITTED_LANDMARKS.index(a) for a, _ in LIMB_ERRORS)
LIMB_ENDS = tuple(FITTED_LANDMARKS.index(b) for _, b in LIMB_ERRORS)


def add_limb_directions(
    normal: NormalEquations, seen: PoseEvidence, at: Tensor, rate: Tensor, shape_rate: Tensor, strength: float
) -> None:
    """Add the network's 3D estimate as one vector per limb: its depth errors accumulate from limb to limb."""
    sigma = torch.tensor(tuple(LIMB_ERRORS.values()), dtype=at.dtype)[:, None]

    def way(x: Tensor) -> Tensor:
        return x[:, LIMB_ENDS] - x[:, LIMB_STARTS]

    error = (way(at) - way(seen.world)) / sigma
    sure = torch.minimum(seen.world_weight[:, LIMB_STARTS], seen.world_weight[:, LIMB_ENDS])
    weight = strength * sure * geman_mcclure_weight((error * error).sum(-1), 9.0)
    each = weight[..., None].expand_as(error).flatten(1)
    rates = [(way(x) / sigma[..., None]).flatten(1, 2) for x in (rate, shape_rate)]
    normal.add(error.flatten(1), rates[0], each, rates[1], slice(None))


def add_pose_prior(normal: NormalEquations, habits: PosePrior, state: PoseState, strength: float) -> None:
    """Add the pose prior, and a penalty on hinges beyond their limits."""
    off = state.bends - habits.mean
    bend = (state.bends * habits.hinge).sum(-1)  # [T, C]
    over = (bend - habits.most).clamp(min=0) + (bend - habits.least).clamp(max=0)
    stop = torch.deg2rad(torch.tensor(4.0)).item() ** -2
    gradient = strength * torch.einsum("cab,tcb->tca", habits.precision, off) + stop * over[..., None] * habits.hinge
    normal.gradient[:, ROOT_SIZE:] += gradient.flatten(1)
    stopping = stop * (over != 0)[..., None, None] * habits.hinge[:, :, None] * habits.hinge[:, None]
    blocks = strength * habits.precision + stopping
    for c in range(len(BENDS)):
        span = slice(ROOT_SIZE + 3 * c, ROOT_SIZE + 3 * c + 3)
        normal.diag[:, span, span] += blocks[:, c]


def add_upright_prior(
    normal: NormalEquations, at: Tensor, rate: Tensor, shape_rate: Tensor, sigma: float, strength: float
) -> None:
    """Add a prior that shoulders and ankles are equally far away: people mostly stand and cameras are mostly level."""

    def lean(x: Tensor) -> Tensor:  # takes the points' depths, or their derivatives
        return (x[:, SHOULDER_ROWS].mean(1, keepdim=True) - x[:, ANKLE_ROWS].mean(1, keepdim=True)) / sigma

    error = lean(at[..., 2])
    weight = strength * geman_mcclure_weight(error * error, 4.0)
    normal.add(error, lean(rate[..., 2, :]), weight, lean(shape_rate[..., 2, :]), slice(None))


def acceleration_scale() -> Tensor:
    """Standard deviation of the acceleration of each number of a state, per second squared."""
    per_bend = torch.tensor([BEND_ACCELERATION[bend_kind(name)] for name in BENDS])
    return torch.cat([torch.tensor(ROOT_ACCELERATION), per_bend.repeat_interleave(3)]).double()


def add_smoothness(normal: NormalEquations, state: PoseState, seconds: Tensor, strength: float) -> None:
    """Add a penalty on accelerations, computed with the frames' real time stamps."""
    if len(state) < 3:
        return
    gap = seconds.diff().clamp(min=1e-3)[:, None]
    velocity = state[1:].minus(state[:-1]) / gap
    between = (gap[1:] + gap[:-1]) / 2
    error = (velocity[1:] - velocity[:-1]) / between
    weight = strength / acceleration_scale() ** 2
    # derivatives of the error by the three frames' steps
    one, three = 1 / (gap[:-1] * between), 1 / (gap[1:] * between)
    two = -(one + three)
    for t, rate in ((slice(0, -2), one), (slice(1, -1), two), (slice(2, None), three)):
        normal.gradient[t] += weight * rate * error
        normal.diag[t] += torch.diag_embed(weight * rate * rate)
    normal.next[:-2] += torch.diag_embed(weight * two * one)
    normal.next[1:-1] += torch.diag_embed(weight * three * two)
    normal.after[:-2] += weight * three * one


def standing_weights(seen: PoseEvidence, at: Tensor, slow: float) -> Float[Tensor, "N 4"]:
    """Weight, from 0 to 1, that each heel and toe is at rest until the next frame, from its speed in the image."""
    aim = seen.aim[:, FOOT_ROWS]
    gap = seen.seconds.diff().clamp(min=1e-3)[:, None]
    window = min(9, len(aim) // 2 * 2 - 1)
    if window > 2:
        padded = torch.nn.functional.pad(aim.flatten(1).T[None], (window // 2, window // 2), mode="replicate")
        aim = torch.nn.functional.avg_pool1d(padded, window, 1)[0].T.view_as(aim)
    depth = (at[1:, FOOT_ROWS, 2] + at[:-1, FOOT_ROWS, 2]) / 2
    speed = aim.diff(dim=0).norm(dim=-1) / gap * depth
    sure = torch.minimum(seen.weight[1:, FOOT_ROWS], seen.weight[:-1, FOOT_ROWS]) / 0.7
    return torch.exp(-((speed / slow) ** 2)) * sure.clamp(max=1)


def add_foot_contact(
    normal: NormalEquations,
    seen: PoseEvidence,
    sure: Tensor,
    at: Tensor,
    rate: Tensor,
    shape_rate: Tensor,
    slide: float,
) -> None:
    """Add the foot contact term: standing feet should not slide; `slide` is its standard deviation in metres per
    second."""
    if len(at) < 2:
        return
    unit = slide * seen.seconds.diff().clamp(min=1e-3)[:, None, None]
    error = at[:, FOOT_ROWS].diff(dim=0) / unit
    weight = sure * geman_mcclure_weight(error.square().sum(-1), 49.0)
    each, error = weight[..., None].expand_as(error).flatten(1), error.flatten(1)
    by_step, by_shape = rate[:, FOOT_ROWS], shape_rate[:, FOOT_ROWS].diff(dim=0) / unit[..., None]
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


def add_shape_prior(normal: NormalEquations, shape: Tensor, strength: float) -> None:
    """Add the shape prior: shape numbers are standard normal."""
    normal.shape.diagonal().add_(strength)
    normal.shape_gradient.add_(strength * shape)
