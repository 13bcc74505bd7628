"""Image metrics against the ground truth. Pictures are RGB in [0, 1]; `where` masks the pixels that are evaluated."""

from collections.abc import Callable
from math import log2

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from kornia.filters import gaussian_blur2d
from kornia.metrics import ssim as ssim_map
from torch import Tensor

from motion_imitate.training.losses import FeatureExtractor, perceptual_loss, weighted_pixel_mean

SSIM_WINDOW = 11  # pixels; Gaussian window with a sigma of 1.5 pixels
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of the scales: full size, half, ... (Wang 2003)
SSIM_EPSILON = 1e-4  # avoids 0 / 0 for two black pictures
BACKBONE_SIDE = 320  # longer side of the person, in pixels, in the input of the backbone
LEAST_CLASS = 0.003  # of an area, that a class must fill to count
PERSON_MARGIN = 0.1  # margin around the person, as a fraction of their longer side


def masked_mean(values: Float[Tensor, "B C H W"], where: Bool[Tensor, "B 1 H W"] | None) -> Float[Tensor, " B"]:
    """Mean over the masked pixels; NaN if there are none."""
    if where is None:
        return values.mean((1, 2, 3))
    inside = where.expand_as(values)
    return torch.where(inside, values, 0).sum((1, 2, 3)) / inside.sum((1, 2, 3))


def psnr(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], where: Bool[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """PSNR in decibels; infinite for identical pictures."""
    return -10 * torch.log10(masked_mean((picture - truth).square(), where))


def ssim(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], where: Bool[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """Structural similarity, 1 for identical pictures. Windows are centred on masked pixels and may extend beyond
    them."""
    return masked_mean(ssim_map(picture, truth, SSIM_WINDOW, eps=0.0), where)


def ms_ssim(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], where: Bool[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """Multi-scale structural similarity over five scales, 1 for identical pictures.

    Luminance is compared at the coarsest scale only. Pictures below 176 pixels use fewer scales, with larger weights.
    """
    count = max(1, min(len(MS_SSIM_WEIGHTS), int(log2(min(picture.shape[2:]) / SSIM_WINDOW)) + 1))
    more = sum(MS_SSIM_WEIGHTS) / sum(MS_SSIM_WEIGHTS[:count])
    counts = None if where is None else where.to(picture)
    alike = picture.new_ones(len(picture))
    for scale, weight in enumerate(MS_SSIM_WEIGHTS[:count]):
        similar = ssim_map(picture, truth, SSIM_WINDOW, eps=0.0)
        if scale + 1 < count:
            similar = similar / luminance_similarity(picture, truth)
        alike = alike * weighted_pixel_mean(similar, counts).clamp(min=0) ** (weight * more)
        picture, truth = halve_picture(picture), halve_picture(truth)
        counts = None if counts is None else halve_picture(counts)
    return alike if where is None else torch.where(where.any((1, 2, 3)), alike, torch.nan)


def luminance_similarity(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, "B 3 H W"]:
    """The luminance term of structural similarity."""
    a, b = (gaussian_blur2d(x, (SSIM_WINDOW, SSIM_WINDOW), (1.5, 1.5)) for x in (picture, truth))
    return (2 * a * b + SSIM_EPSILON) / (a.square() + b.square() + SSIM_EPSILON)


def halve_picture(picture: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Halve the size by averaging."""
    return F.avg_pool2d(picture, 2, ceil_mode=True, count_include_pad=False)


def perceptual_distance(
    features: FeatureExtractor,
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    where: Bool[Tensor, "B 1 H W"],
) -> Float[Tensor, " B"]:
    """Perceptual distance of the masked area in a backbone's features, at a fixed size.

    0 for identical pictures, NaN for an empty mask.
    """
    return torch.stack(
        [
            crop_perceptual_distance(features, p[None], t[None], w[None])
            for p, t, w in zip(picture, truth, where, strict=True)
        ]
    )


def crop_perceptual_distance(
    features: FeatureExtractor,
    picture: Float[Tensor, "1 3 H W"],
    truth: Float[Tensor, "1 3 H W"],
    where: Bool[Tensor, "1 1 H W"],
) -> Float[Tensor, ""]:
    """Perceptual distance of one picture, cropped to the mask and resized."""
    if not where.any():
        return picture.new_tensor(torch.nan)
    ends = [line.nonzero()[[0, -1], 0].tolist() for line in (where[0, 0].any(1), where[0, 0].any(0))]
    pad = round(PERSON_MARGIN * max(last + 1 - first for first, last in ends))
    rows, columns = (slice(max(0, first - pad), last + 1 + pad) for first, last in ends)
    parts = [x[:, :, rows, columns] for x in (picture, truth, where.to(picture))]
    high, wide = parts[0].shape[2:]
    size = [max(1, round(n * BACKBONE_SIDE / max(high, wide))) for n in (high, wide)]
    seen, goal, counts = (F.interpolate(x, size, mode="bilinear", antialias=True) for x in parts)
    return perceptual_loss(features, seen, goal, counts)[0]


def mean_class_iou(
    classes: Int[Tensor, "H W"], truth: Int[Tensor, "H W"], where: Bool[Tensor, "H W"]
) -> Float[Tensor, ""]:
    """Mean intersection over union of the classes that fill some of the masked area; NaN if there are none."""
    overlaps = []
    for number in torch.cat([classes[where], truth[where]]).unique():
        own, other = (classes == number) & where, (truth == number) & where
        either = (own | other).sum()
        if either > LEAST_CLASS * where.sum():
            overlaps.append((own & other).sum() / either)
    return torch.stack(overlaps).mean() if overlaps else torch.tensor(torch.nan)


def face_distance(
    identity: Callable[[Tensor], Tensor], faces: Float[Tensor, "B 3 150 150"], truth: Float[Tensor, "B 3 150 150"]
) -> Float[Tensor, " B"]:
    """Distance of aligned faces in the identity network; below 0.6 it considers them the same person."""
    return (identity(faces) - identity(truth)).norm(dim=1)


def flicker_error(
    pictures: Float[Tensor, "T 3 H W"], truth: Float[Tensor, "T 3 H W"], where: Bool[Tensor, "T-1 1 H W"] | None = None
) -> Float[Tensor, "T-1"]:
    """Mean absolute error of the change between consecutive pictures; 0 for the truth plus a constant error."""
    return masked_mean((pictures.diff(dim=0) - truth.diff(dim=0)).abs(), where)


def pose_error(
    points: Float[Tensor, "B K 2"],
    truth: Float[Tensor, "B K 2"],
    visible: Bool[Tensor, "B K"],
    size: tuple[int, int],
) -> Float[Tensor, " B"]:
    """Mean distance of the visible points, relative to the longer side of their bounding box.

    Image points of pictures of (height, width); NaN if fewer than two are visible.
    """
    apart, extent = point_distances(points, truth, visible, size)
    mean = torch.where(visible, apart, 0).sum(1) / visible.sum(1)
    return torch.where(visible.sum(1) > 1, mean / extent, torch.nan)


def points_within(
    points: Float[Tensor, "B K 2"],
    truth: Float[Tensor, "B K 2"],
    visible: Bool[Tensor, "B K"],
    size: tuple[int, int],
    share: float,
) -> Bool[Tensor, "B K"]:
    """Whether points are near the truth: within a share of the longer side of the visible points' bounding box."""
    apart, extent = point_distances(points, truth, visible, size)
    return apart <= share * extent[:, None]


def point_distances(
    points: Float[Tensor, "B K 2"], truth: Float[Tensor, "B K 2"], visible: Bool[Tensor, "B K"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B K"], Float[Tensor, " B"]]:
    """Distance of each point in pixels, and the longer side of the visible points' bounding box."""
    pixels = truth.new_tensor([size[1], size[0]]) / 2
    at = truth * pixels
    low = torch.where(visible[..., None], at, torch.inf).amin(1)
    high = torch.where(visible[..., None], at, -torch.inf).amax(1)
    return (points * pixels - at).norm(dim=-1), (high - low).amax(1)
