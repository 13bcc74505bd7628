"""How far pictures of a person are from the truth. Pictures are RGB in [0, 1]; `where` is what counts of them."""

from collections.abc import Callable
from math import log2

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from kornia.filters import gaussian_blur2d
from kornia.metrics import ssim as ssim_map
from torch import Tensor

from motion_imitate.training.losses import Features, mean_weighed, perceptual
from motion_imitate.types import Drawn

WINDOW = 11  # pixels that structure is compared over, by a Gaussian of 1.5 pixels
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # what structure counts at full size, at half, ... (Wang 2003)
STEADY = 1e-4  # that keeps the likeness of two black pictures from being 0 / 0
LOOKED_AT = 320  # pixels of the longer side of the person as a backbone looks at them
MARGIN = 0.1  # of the person's longer side, round them


def mean_where(values: Float[Tensor, "B C H W"], where: Bool[Tensor, "B 1 H W"] | None) -> Float[Tensor, " B"]:
    """The mean over the pixels that count; NaN where none does."""
    if where is None:
        return values.mean((1, 2, 3))
    inside = where.expand_as(values)
    return torch.where(inside, values, 0).sum((1, 2, 3)) / inside.sum((1, 2, 3))


def psnr(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], where: Bool[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """Decibels; infinite where they are the same."""
    return -10 * torch.log10(mean_where((picture - truth).square(), where))


def ssim(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], where: Bool[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """Structural similarity, 1 where they are the same. Windows reach beyond what counts, their centres do not."""
    return mean_where(ssim_map(picture, truth, WINDOW, eps=0.0), where)


def ms_ssim(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], where: Bool[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """Structural similarity over five scales, 1 where they are the same; light is compared at the coarsest alone.

    Below 176 pixels there are fewer scales, each of which counts for more.
    """
    count = max(1, min(len(SCALES), int(log2(min(picture.shape[2:]) / WINDOW)) + 1))
    more = sum(SCALES) / sum(SCALES[:count])
    counts = None if where is None else where.to(picture)
    alike = picture.new_ones(len(picture))
    for scale, weight in enumerate(SCALES[:count]):
        similar = ssim_map(picture, truth, WINDOW, eps=0.0)
        if scale + 1 < count:
            similar = similar / same_light(picture, truth)
        alike = alike * mean_weighed(similar, counts).clamp(min=0) ** (weight * more)
        picture, truth = halved(picture), halved(truth)
        counts = None if counts is None else halved(counts)
    return alike if where is None else torch.where(where.any((1, 2, 3)), alike, torch.nan)


def same_light(picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """The part of structural similarity that is of brightness."""
    a, b = (gaussian_blur2d(x, (WINDOW, WINDOW), (1.5, 1.5)) for x in (picture, truth))
    return (2 * a * b + STEADY) / (a.square() + b.square() + STEADY)


def halved(picture: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    return F.avg_pool2d(picture, 2, ceil_mode=True, count_include_pad=False)


def perceptual_distance(
    features: Features,
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    where: Bool[Tensor, "B 1 H W"],
) -> Float[Tensor, " B"]:
    """How differently what counts looks to a backbone, always at one size: 0 where it is the same, NaN for nothing."""
    return torch.stack(
        [looked_at(features, p[None], t[None], w[None]) for p, t, w in zip(picture, truth, where, strict=True)]
    )


def looked_at(
    features: Features,
    picture: Float[Tensor, "1 3 H W"],
    truth: Float[Tensor, "1 3 H W"],
    where: Bool[Tensor, "1 1 H W"],
) -> Float[Tensor, ""]:
    if not where.any():
        return picture.new_tensor(torch.nan)
    ends = [line.nonzero()[[0, -1], 0].tolist() for line in (where[0, 0].any(1), where[0, 0].any(0))]
    pad = round(MARGIN * max(last + 1 - first for first, last in ends))
    rows, columns = (slice(max(0, first - pad), last + 1 + pad) for first, last in ends)
    parts = [x[:, :, rows, columns] for x in (picture, truth, where.to(picture))]
    high, wide = parts[0].shape[2:]
    size = [max(1, round(n * LOOKED_AT / max(high, wide))) for n in (high, wide)]
    seen, goal, counts = (F.interpolate(x, size, mode="bilinear", antialias=True) for x in parts)
    return perceptual(features, seen, goal, counts)[0]


def face_distance(
    identity: Callable[[Tensor], Tensor], faces: Float[Tensor, "B 3 150 150"], truth: Float[Tensor, "B 3 150 150"]
) -> Float[Tensor, " B"]:
    """Of aligned faces, to the face network: below 0.6 it takes them for one person's."""
    return (identity(faces) - identity(truth)).norm(dim=1)


def flicker(
    pictures: Float[Tensor, "T 3 H W"], truth: Float[Tensor, "T 3 H W"], where: Bool[Tensor, "T-1 1 H W"] | None = None
) -> Float[Tensor, "T-1"]:
    """How far each change from a picture to the next is from the truth's; 0 for the truth, and for a constant fault."""
    return mean_where((pictures.diff(dim=0) - truth.diff(dim=0)).abs(), where)


def pose_error(
    points: Float[Tensor, "B K 2"],
    truth: Float[Tensor, "B K 2"],
    visible: Bool[Tensor, "B K"],
    size: tuple[int, int],
) -> Float[Tensor, " B"]:
    """Mean distance of the points that the truth shows, in parts of how far those lie apart upright or across.

    Image points of pictures of (height, width); NaN where fewer than two are shown.
    """
    pixels = truth.new_tensor([size[1], size[0]]) / 2
    apart = ((points - truth) * pixels).norm(dim=-1)
    seen = visible[..., None]
    at = truth * pixels
    low = torch.where(seen, at, torch.inf).amin(1)
    high = torch.where(seen, at, -torch.inf).amax(1)
    mean = torch.where(visible, apart, 0).sum(1) / visible.sum(1)
    return torch.where(visible.sum(1) > 1, mean / (high - low).amax(1), torch.nan)


def coverage(drawn: Drawn, photos: int) -> Float[Tensor, "B 4"]:
    """What of the person is read from where photos show it, from where they show its twin, from what else is like it,
    and made up. Sums to 1.

    The first `photos` ways to read are of the body's own side, the next as many of the other, the rest of what is like.
    """
    person = drawn.cover[:, 0]
    ways = (slice(photos), slice(photos, 2 * photos), slice(2 * photos, None))
    shares = [drawn.trust[:, way].sum(1) for way in ways]
    of_all = torch.stack([(share * person).sum((1, 2)) for share in shares], 1) / person.sum((1, 2))[:, None]
    return torch.cat([of_all, 1 - of_all.sum(1, keepdim=True)], 1)
