"""Training losses. Images are RGB in [0, 1]; each loss is one number per image, and `weighted_loss_sum` combines them.

`where` weights each pixel; an image whose weights are all 0 has loss 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float
from kornia.losses import total_variation
from torch import Tensor

FeatureExtractor = Callable[[Tensor], Sequence[Tensor]]  # as the backbones return them: [B, C, h, w] at several depths
MIN_FACE_PIXELS = 80.0  # pixels; smaller faces are not identified
FACE_CROP_PIXELS = 150  # side of the face network's input, in pixels
FACE_CROP_SCALE = 1.05  # side of the crop over the longer side of the face's 468 landmarks, as in aligned faces
NORM_EPSILON = 1e-10  # avoids division by 0


@dataclass(frozen=True)
class LossWeights:
    """The loss weights of the Liquid Warping GAN."""

    reconstruction: float = 10.0
    perceptual: float = 10.0
    face: float = 5.0
    mask: float = 1.0
    smooth: float = 1.0
    adversarial: float = 1.0


def weighted_loss_sum(
    terms: Mapping[str, Float[Tensor, " B"]], weights: LossWeights = LossWeights()
) -> Float[Tensor, ""]:
    """The weighted sum of the means of the given losses; a loss of weight 0 is skipped."""
    known = {field.name: float(getattr(weights, field.name)) for field in fields(weights)}
    unknown = [name for name in terms if name not in known]
    if unknown or not terms:
        given = f"no loss {unknown[0]!r}" if unknown else "no losses to add up"
        raise ValueError(f"{given}; give some of {', '.join(known)}")
    parts = [known[name] * term.mean() for name, term in terms.items() if known[name]]
    return torch.stack(parts).sum() if parts else torch.zeros(())


def weighted_pixel_mean(
    values: Float[Tensor, "B C H W"], where: Float[Tensor, "B 1 H W"] | None
) -> Float[Tensor, " B"]:
    """Mean over channels and pixels, weighted by `where`."""
    if where is None:
        return values.mean((1, 2, 3))
    return (values.mean(1, keepdim=True) * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp(min=NORM_EPSILON)


def largest_around(values: Float[Tensor, "B C H W"], reach: int) -> Float[Tensor, "B C H W"]:
    """The largest value in the square of `2 * reach + 1` pixels around each pixel: rows first, which is many times as
    fast as the square at once."""
    across = F.max_pool2d(values, (1, 2 * reach + 1), 1, (0, reach))
    return F.max_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0))


def reconstruction_loss(
    picture: Float[Tensor, "B C H W"], truth: Float[Tensor, "B C H W"], where: Float[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """L1 distance."""
    return weighted_pixel_mean((picture - truth).abs(), where)


def absolute_distance(a: Float[Tensor, "B C H W"], b: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    """L1 distance per pixel."""
    return (a - b).abs().mean(1, keepdim=True)


def direction_distance(a: Float[Tensor, "B C H W"], b: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    """Squared distance of the normalized feature vectors per pixel, from 0 to 4."""
    a, b = (x / (x.square().sum(1, keepdim=True) + NORM_EPSILON).sqrt() for x in (a, b))
    return (a - b).square().sum(1, keepdim=True)


FEATURE_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "absolute": absolute_distance,
    "turned": direction_distance,
}


@dataclass(frozen=True)
class PerceptualSettings:
    """Depth weights and feature distance of the perceptual loss."""

    weights: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)  # per depth, the shallowest first
    apart: str = "turned"


PAPER_PERCEPTUAL = PerceptualSettings(
    (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0), "absolute"
)  # with VGG-19, whose input is in [-1, 1] there


def perceptual_loss(
    features: FeatureExtractor,
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    where: Float[Tensor, "B 1 H W"] | None = None,
    how: PerceptualSettings = PerceptualSettings(),
) -> Float[Tensor, " B"]:
    """Distance between the features of two images; gradients reach only `picture`."""
    with torch.no_grad():
        goals = features(truth.detach())
    return compare_features(features(picture), goals, where, how)


def compare_features(
    seen: Sequence[Tensor],
    goals: Sequence[Tensor],
    where: Float[Tensor, "B 1 H W"] | None = None,
    how: PerceptualSettings = PerceptualSettings(),
) -> Float[Tensor, " B"]:
    """Weighted distance of features at several depths."""
    if how.apart not in FEATURE_DISTANCES:
        raise ValueError(f"features can't be compared by {how.apart!r}; choose one of {', '.join(FEATURE_DISTANCES)}")
    if len(seen) != len(how.weights):
        raise ValueError(f"{len(how.weights)} weights for features at {len(seen)} depths; give one for each depth")
    parts = []
    for a, b, weight in zip(seen, goals, how.weights, strict=True):
        small = None if where is None else F.interpolate(where, a.shape[-2:], mode="area")
        parts.append(weight * weighted_pixel_mean(FEATURE_DISTANCES[how.apart](a, b), small))
    return torch.stack(parts).sum(0)


def style_loss(seen: Sequence[Tensor], goals: Sequence[Tensor]) -> Float[Tensor, " B"]:
    """Mean difference of the Gram matrices of features, averaged over the depths."""
    apart = [(gram_matrix(a) - gram_matrix(b)).abs().mean((1, 2)) for a, b in zip(seen, goals, strict=True)]
    return torch.stack(apart).mean(0)


def gram_matrix(features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C C"]:
    """Mean product of each two channels, divided by their number."""
    flat = features.flatten(2)
    return flat @ flat.mT / (flat.shape[1] * flat.shape[2])


SHALLOW_PERCEPTUAL = PerceptualSettings((1 / 3, 1 / 3, 1 / 3))  # down to 1/8 of the size


def crop_windows(
    pictures: Float[Tensor, "B C H W"], where: Float[Tensor, "B 1 H W"], side: int, count: int
) -> Float[Tensor, "n C side side"]:
    """A square window from each of the first `count` pictures, around a random pixel where `where` is positive.

    Reading the same windows from several pictures at once: stack them along the channels.
    """
    n, (height, width) = min(count, len(pictures)), pictures.shape[2:]
    chosen = (where[:n].flatten(1) + 1e-6).multinomial(1)[:, 0]
    top = (chosen // width - side // 2).clamp(0, height - side)
    left = (chosen % width - side // 2).clamp(0, width - side)
    reach = torch.arange(side, device=pictures.device)
    rows, columns = (top[:, None] + reach)[:, :, None], (left[:, None] + reach)[:, None]
    return pictures[torch.arange(n, device=pictures.device)[:, None, None], :, rows, columns].permute(0, 3, 1, 2)


def mask_loss(cover: Float[Tensor, "B 1 H W"], truth: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
    """Binary cross entropy of covers in [0, 1]; the log is clamped, so the largest loss is 100."""
    return F.binary_cross_entropy(cover, truth, reduction="none").mean((1, 2, 3))


def smoothness_loss(cover: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
    """Total variation of a cover, across and down."""
    varies: Tensor = total_variation(cover, reduction="mean")
    return varies.mean(1)


def discriminator_loss(real: Float[Tensor, "B ..."], made: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """The discriminator's loss: its target is 1 for real images and -1 for generated ones."""
    return ((real - 1).square() + (made + 1).square()).flatten(1).mean(1)


def adversarial_loss(made: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """The generator's loss: its target is a discriminator score of 0."""
    return made.square().flatten(1).mean(1)


def label_loss(scores: Float[Tensor, "B ..."], label: float) -> Float[Tensor, " B"]:
    """Squared distance of a discriminator's scores from a label (least squares GAN)."""
    return (scores - label).square().flatten(1).mean(1)


def face_box_pixels(boxes: Float[Tensor, "B 4"], size: tuple[int, int]) -> Float[Tensor, " B"]:
    """The longer side in pixels of each box (left, top, right, bottom; image points) in images of (height, width)."""
    return ((boxes[:, 2:] - boxes[:, :2]) * boxes.new_tensor([size[1] / 2, size[0] / 2])).amax(1)


def face_large_enough(
    boxes: Float[Tensor, "B 4"], size: tuple[int, int], least: float = MIN_FACE_PIXELS
) -> Float[Tensor, " B"]:
    """1 for a face box of at least `least` pixels, else 0; a NaN box holds no face."""
    return (face_box_pixels(boxes, size) >= least).to(boxes)


def face_box_mask(boxes: Float[Tensor, "B 4"], size: tuple[int, int]) -> Float[Tensor, "B 1 H W"]:
    """1 at pixels whose centre lies in the box, else 0."""
    y, x = (((torch.arange(n, device=boxes.device) + 0.5) * 2 / n - 1).to(boxes) for n in size)
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    columns, rows = (x >= left) & (x < right), (y >= top) & (y < bottom)
    return (rows[:, :, None] & columns[:, None, :])[:, None].to(boxes)


def face_identity_loss(
    identity: Callable[[Tensor], Tensor],
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    boxes: Float[Tensor, "B 4"],
) -> Float[Tensor, " B"]:
    """Squared distance of the face network's 128-dimensional embeddings; 0.36 separates same from different people.

    0 where the face is too small; gradients reach only `picture`.
    """
    counts = face_large_enough(boxes, (picture.shape[2], picture.shape[3])) > 0
    apart = picture.new_zeros(len(picture))
    if not counts.any():
        return apart
    with torch.no_grad():
        goals = identity(crop_faces(truth[counts], boxes[counts]))
    off = (identity(crop_faces(picture[counts], boxes[counts])) - goals).square().sum(1)
    return apart.masked_scatter(counts, off)


def crop_faces(pictures: Float[Tensor, "B 3 H W"], boxes: Float[Tensor, "B 4"]) -> Float[Tensor, "B 3 150 150"]:
    """Square crops around face boxes, as the face network expects them; black outside the images."""
    return torch.cat([crop_one_face(p[None], box) for p, box in zip(pictures, boxes, strict=True)])


def crop_one_face(picture: Float[Tensor, "1 3 H W"], box: Float[Tensor, " 4"]) -> Float[Tensor, "1 3 150 150"]:
    """The square crop around one face box; large faces are averaged down first."""
    half = picture.new_tensor([picture.shape[3] / 2, picture.shape[2] / 2])
    low, high = (box[:2].to(picture) + 1) * half, (box[2:].to(picture) + 1) * half
    centre, reach = (low + high) / 2, FACE_CROP_SCALE * (high - low).amax() / 2
    step = max(1, int(2 * float(reach) / FACE_CROP_PIXELS))
    if step > 1:  # otherwise sampling would skip pixels
        picture = F.avg_pool2d(picture, step, ceil_mode=True, count_include_pad=False)
        half = picture.new_tensor([picture.shape[3] / 2, picture.shape[2] / 2])
        centre, reach = centre / step, reach / step
    matrix = torch.cat([torch.diag(reach / half), (centre / half - 1)[:, None]], 1)
    grid = F.affine_grid(matrix[None], [1, 3, FACE_CROP_PIXELS, FACE_CROP_PIXELS], align_corners=False)
    return F.grid_sample(picture, grid, align_corners=False)
