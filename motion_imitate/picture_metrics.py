"""How far pictures of a person are from the truth. Pictures are RGB in [0, 1]; `where` is what counts of them."""

import torch
from jaxtyping import Bool, Float
from kornia.metrics import ssim as ssim_map
from torch import Tensor

from motion_imitate.types import Drawn

WINDOW = 11  # pixels that structure is compared over, by a Gaussian of 1.5 pixels


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
