"""Keypoints as images: discs, Gaussians and the pose mask of the pose-guided networks, for OpenPose's 18 points."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from motion_imitate.bodies.keypoints import KEYPOINT_SETS

BLAZEPOSE_NAMES, OPENPOSE_NAMES = KEYPOINT_SETS["blazepose33"], KEYPOINT_SETS["openpose18"]
NECK = OPENPOSE_NAMES.index("neck")
OPENPOSE_ROWS = tuple(BLAZEPOSE_NAMES.index(name) if name != "neck" else 0 for name in OPENPOSE_NAMES)
SHOULDER_ROWS = tuple(BLAZEPOSE_NAMES.index(f"shoulder_{side}") for side in ("left", "right"))
HEAD_POINTS = tuple(k for k, name in enumerate(OPENPOSE_NAMES) if name.split("_")[0] in ("nose", "eye", "ear"))
POSE_LIMBS = (  # pairs of OpenPose's points that the pose mask joins: limbs, trunk and head
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0)),
    *((0, 14), (14, 16), (0, 15), (15, 17), (1, 16), (1, 17), (8, 11), (11, 5), (8, 2), (16, 17)),
)
DISC_RADIUS = 4  # pixels
PUBLISHED_SIGMA, PUBLISHED_HEIGHT = 6.0, 256  # of the heat maps' Gaussians, in pixels of pictures of that height
LEAST_SIGMA = 2.0  # pixels
FACE_LANDMARKS = 11  # BlazePose's first points: nose, eyes, ears and corners of the mouth
LANDMARK_SIGMA = 1 / 32  # of their Gaussians, as a fraction of the face crop
CLOSING_SIDE = 5  # pixels; side of the square that closes gaps of the pose mask


def openpose_points(
    points: Float[Tensor, "B 33 2"], visible: Float[Tensor, "B 33"]
) -> tuple[Float[Tensor, "B 18 2"], Bool[Tensor, "B 18"]]:
    """OpenPose's points of BlazePose's, and which of them are present: in the picture, and not on a hidden side of
    the head."""
    found = points[:, OPENPOSE_ROWS]
    found[:, NECK] = points[:, SHOULDER_ROWS].mean(1)
    present = (found.abs() < 1).all(-1)
    head = list(HEAD_POINTS)
    present[:, head] &= visible[:, OPENPOSE_ROWS][:, head] > 0.5
    return found, present


def pixels_of_points(points: Float[Tensor, "*N 2"], size: tuple[int, int]) -> Int[Tensor, "*N 2"]:
    """Column and row of the pixel that holds each point."""
    return ((points + 1) / 2 * points.new_tensor(size[::-1])).floor().long()


def axis_offsets(
    points: Int[Tensor, "B K 2"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B K H 1"], Float[Tensor, "B K 1 W"]]:
    """Squared distances in pixels of all rows and of all columns from each point."""
    columns, rows = (torch.arange(n, device=points.device) for n in size[::-1])
    across = (columns - points[..., :1]).square().float()
    down = (rows - points[..., 1:]).square().float()
    return down[..., :, None], across[..., None, :]


def draw_disc_maps(
    points: Float[Tensor, "B K 2"], present: Bool[Tensor, "B K"], size: tuple[int, int], radius: int = DISC_RADIUS
) -> Float[Tensor, "B K H W"]:
    """One map for each point: 1 in a disc around it, -1 elsewhere."""
    down, across = axis_offsets(pixels_of_points(points, size), size)
    most = torch.where(present, radius**2, -1)[..., None, None]
    return 2.0 * (down + across <= most) - 1


def draw_gaussian_maps(
    points: Float[Tensor, "B K 2"], present: Bool[Tensor, "B K"], size: tuple[int, int], sigma: float
) -> Float[Tensor, "B K H W"]:
    """One map for each point: a Gaussian of height 1 around it."""
    down, across = ((x / (-2 * sigma**2)).exp() for x in axis_offsets(pixels_of_points(points, size), size))
    return down * across * present[..., None, None]


def draw_pose_heat_maps(
    points: Float[Tensor, "B 18 2"], present: Bool[Tensor, "B 18"], size: tuple[int, int]
) -> Float[Tensor, "B 18 H W"]:
    """One map for each point, with Gaussians in proportion to the picture."""
    return draw_gaussian_maps(points, present, size, max(LEAST_SIGMA, PUBLISHED_SIGMA * size[0] / PUBLISHED_HEIGHT))


def draw_face_landmarks(
    points: Float[Tensor, "B 33 2"], visible: Float[Tensor, "B 33"], box: Float[Tensor, "B 4"], side: int
) -> Float[Tensor, "B 11 side side"]:
    """Maps of the visible landmarks of faces within their boxes."""
    low, high = box[:, None, :2], box[:, None, 2:]
    within = (2 * points[:, :FACE_LANDMARKS] - low - high) / (high - low).clamp(min=1e-3)
    present = (visible[:, :FACE_LANDMARKS] > 0.5) & (within.abs() < 1).all(-1)
    return draw_gaussian_maps(within, present, (side, side), side * LANDMARK_SIGMA)


def draw_pose_mask(
    points: Float[Tensor, "B 18 2"], present: Bool[Tensor, "B 18"], size: tuple[int, int], radius: int = DISC_RADIUS
) -> Float[Tensor, "B 1 H W"]:
    """Roughly where the person is: discs along all limbs between present points, one each radius, gaps closed."""
    starts, ends = ([limb[k] for limb in POSE_LIMBS] for k in (0, 1))
    places = (points + 1) / 2 * points.new_tensor(size[::-1])
    first, last = places[:, starts], places[:, ends]
    count = ((last - first).norm(dim=-1, keepdim=True) / radius).floor().clamp(min=1)  # [B, 23, 1]
    most = int((size[0] ** 2 + size[1] ** 2) ** 0.5 / radius) + 1
    along = torch.arange(most + 1, device=points.device).minimum(count) / count  # [B, 23, K]
    stamps = (first[:, :, None] + (last - first)[:, :, None] * along[..., None]).long()
    shown = (present[:, starts] & present[:, ends])[..., None].expand(along.shape)
    column, row = (stamps[..., k].clamp(0, size[1 - k] - 1) for k in (0, 1))
    centres = points.new_zeros(len(points), size[0] * size[1])
    centres.scatter_reduce_(1, (row * size[1] + column).flatten(1), shown.flatten(1).to(centres), "amax")
    reach = torch.arange(-radius, radius + 1, device=points.device)
    disc = (reach.square() + reach[:, None].square() <= radius**2).to(centres)[None, None]
    drawn = (conv2d(centres.view(-1, 1, *size), disc, padding=radius) > 0).to(centres)
    closed = max_pool2d(drawn, CLOSING_SIDE, 1, CLOSING_SIDE // 2)
    return 1 - max_pool2d(1 - closed, CLOSING_SIDE, 1, CLOSING_SIDE // 2)
