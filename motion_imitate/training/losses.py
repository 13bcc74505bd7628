"""What training makes small. Pictures are RGB in [0, 1]; each loss is a number per picture, and `total` weighs them.

`where` says how much each pixel counts; a picture of which nothing counts has loss 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float
from kornia.losses import total_variation
from torch import Tensor

Features = Callable[[Tensor], Sequence[Tensor]]  # as the backbones give them: [B, C, h, w] at several depths
FACE = 80.0  # pixels; the identity of smaller faces is not to be read
CHIP = 150  # pixels of the square that the face network looks at
ROOM = 1.05  # sides of that square to the longer side of a face's 468 points, as faces lie in it that are aligned
TINY = 1e-10  # that keeps a feature of length 0 from dividing by it


@dataclass(frozen=True)
class Weights:
    """Those of the Liquid Warping GAN."""

    reconstruction: float = 10.0
    perceptual: float = 10.0
    face: float = 5.0
    mask: float = 1.0
    smooth: float = 1.0
    adversarial: float = 1.0


def total(terms: Mapping[str, Float[Tensor, " B"]], weights: Weights = Weights()) -> Float[Tensor, ""]:
    """The weighed sum of the means of those terms that are given; one of weight 0 is not looked at."""
    known = {field.name: float(getattr(weights, field.name)) for field in fields(weights)}
    unknown = [name for name in terms if name not in known]
    if unknown or not terms:
        given = f"no loss {unknown[0]!r}" if unknown else "nothing to add up"
        raise ValueError(f"{given}; give some of {', '.join(known)}")
    parts = [known[name] * term.mean() for name, term in terms.items() if known[name]]
    return torch.stack(parts).sum() if parts else torch.zeros(())


def mean_weighed(values: Float[Tensor, "B C H W"], where: Float[Tensor, "B 1 H W"] | None) -> Float[Tensor, " B"]:
    if where is None:
        return values.mean((1, 2, 3))
    return (values.mean(1, keepdim=True) * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp(min=TINY)


def reconstruction(
    picture: Float[Tensor, "B C H W"], truth: Float[Tensor, "B C H W"], where: Float[Tensor, "B 1 H W"] | None = None
) -> Float[Tensor, " B"]:
    """L1."""
    return mean_weighed((picture - truth).abs(), where)


def absolute(a: Float[Tensor, "B C H W"], b: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    return (a - b).abs().mean(1, keepdim=True)


def turned(a: Float[Tensor, "B C H W"], b: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    """Squared distance of the features' directions, whatever their lengths: from 0 to 4."""
    a, b = (x / (x.square().sum(1, keepdim=True) + TINY).sqrt() for x in (a, b))
    return (a - b).square().sum(1, keepdim=True)


APART: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"absolute": absolute, "turned": turned}


@dataclass(frozen=True)
class Perceiving:
    weights: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)  # of the depths, the shallowest first
    apart: str = "turned"


PAPER = Perceiving((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0), "absolute")  # with VGG-19, whose input is in [-1, 1] there


def perceptual(
    features: Features,
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    where: Float[Tensor, "B 1 H W"] | None = None,
    how: Perceiving = Perceiving(),
) -> Float[Tensor, " B"]:
    """How differently the pictures look to a backbone; gradients reach `picture` alone."""
    if how.apart not in APART:
        raise ValueError(f"features can't be compared by {how.apart!r}; choose one of {', '.join(APART)}")
    with torch.no_grad():
        goals = features(truth.detach())
    seen = features(picture)
    if len(seen) != len(how.weights):
        raise ValueError(f"{len(how.weights)} weights for features at {len(seen)} depths; give one for each depth")
    parts = []
    for a, b, weight in zip(seen, goals, how.weights, strict=True):
        small = None if where is None else F.interpolate(where, a.shape[-2:], mode="area")
        parts.append(weight * mean_weighed(APART[how.apart](a, b), small))
    return torch.stack(parts).sum(0)


def mask(cover: Float[Tensor, "B 1 H W"], truth: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
    """Binary cross entropy of covers in [0, 1]; what is surely wrong costs 100, not infinity."""
    return F.binary_cross_entropy(cover, truth, reduction="none").mean((1, 2, 3))


def smooth(cover: Float[Tensor, "B 1 H W"]) -> Float[Tensor, " B"]:
    """Total variation: how much a cover changes from a pixel to the next, across and down."""
    varies: Tensor = total_variation(cover, reduction="mean")
    return varies.mean(1)


def discriminate(real: Float[Tensor, "B ..."], made: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """A discriminator's own loss: it is to answer 1 to what is real, -1 to what is made."""
    return ((real - 1).square() + (made + 1).square()).flatten(1).mean(1)


def adversarial(made: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    """A generator's: the discriminator is to be undecided, 0."""
    return made.square().flatten(1).mean(1)


def face_pixels(boxes: Float[Tensor, "B 4"], size: tuple[int, int]) -> Float[Tensor, " B"]:
    """The longer sides of boxes (left, top, right, bottom; image points) in pictures of (height, width)."""
    return ((boxes[:, 2:] - boxes[:, :2]) * boxes.new_tensor([size[1] / 2, size[0] / 2])).amax(1)


def large_enough(boxes: Float[Tensor, "B 4"], size: tuple[int, int], least: float = FACE) -> Float[Tensor, " B"]:
    """1 where the face in the box counts, else 0; NaN boxes hold no face."""
    return (face_pixels(boxes, size) >= least).to(boxes)


def inside(boxes: Float[Tensor, "B 4"], size: tuple[int, int]) -> Float[Tensor, "B 1 H W"]:
    """1 at the pixels whose centres lie in the box, else 0."""
    y, x = (((torch.arange(n, device=boxes.device) + 0.5) * 2 / n - 1).to(boxes) for n in size)
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    columns, rows = (x >= left) & (x < right), (y >= top) & (y < bottom)
    return (rows[:, :, None] & columns[:, None, :])[:, None].to(boxes)


def face_crop(
    picture: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B 3 H W"], boxes: Float[Tensor, "B 4"]
) -> Float[Tensor, " B"]:
    """L1 of the face at the pictures' own resolution; 0 where it is too small."""
    size = (picture.shape[2], picture.shape[3])
    return reconstruction(picture, truth, inside(boxes, size)) * large_enough(boxes, size)


def face_identity(
    identity: Callable[[Tensor], Tensor],
    picture: Float[Tensor, "B 3 H W"],
    truth: Float[Tensor, "B 3 H W"],
    boxes: Float[Tensor, "B 4"],
) -> Float[Tensor, " B"]:
    """How far apart the face network's 128 numbers are, squared; 0.36 lies between one person and two.

    0 where the face is too small; gradients reach `picture` alone.
    """
    counts = large_enough(boxes, (picture.shape[2], picture.shape[3])) > 0
    apart = picture.new_zeros(len(picture))
    if not counts.any():
        return apart
    with torch.no_grad():
        goals = identity(cut_faces(truth[counts], boxes[counts]))
    off = (identity(cut_faces(picture[counts], boxes[counts])) - goals).square().sum(1)
    return apart.masked_scatter(counts, off)


def cut_faces(pictures: Float[Tensor, "B 3 H W"], boxes: Float[Tensor, "B 4"]) -> Float[Tensor, "B 3 150 150"]:
    """The squares about boxes of faces, as the face network wants them; black beyond the pictures."""
    return torch.cat([cut_face(p[None], box) for p, box in zip(pictures, boxes, strict=True)])


def cut_face(picture: Float[Tensor, "1 3 H W"], box: Float[Tensor, " 4"]) -> Float[Tensor, "1 3 150 150"]:
    half = picture.new_tensor([picture.shape[3] / 2, picture.shape[2] / 2])
    low, high = (box[:2].to(picture) + 1) * half, (box[2:].to(picture) + 1) * half
    centre, reach = (low + high) / 2, ROOM * (high - low).amax() / 2
    step = max(1, int(2 * float(reach) / CHIP))
    if step > 1:  # else pixels would be skipped
        picture = F.avg_pool2d(picture, step, ceil_mode=True, count_include_pad=False)
        half = picture.new_tensor([picture.shape[3] / 2, picture.shape[2] / 2])
        centre, reach = centre / step, reach / step
    matrix = torch.cat([torch.diag(reach / half), (centre / half - 1)[:, None]], 1)
    grid = F.affine_grid(matrix[None], [1, 3, CHIP, CHIP], align_corners=False)
    return F.grid_sample(picture, grid, align_corners=False)
