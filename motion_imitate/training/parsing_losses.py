"""Losses and scores of the human parsing network."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from motion_imitate.avatar.parsing_net import ParsingLogits
from motion_imitate.synthesis.photo_damage import ParsingSamples, constant_on_device, slide_maximum

LAYER_WEIGHTS = (0.6, 1.0, 1.6, 1.6, 1.1, 1.1, 1.3, 1.5)
KIND_WEIGHTS = (0.6, 1.5, 1.6, 1.5, 1.0, 1.0, 1.1, 1.6, 1.8)


@dataclass(frozen=True)
class ParsingLossWeights:
    """Weights of the losses of the parsing network."""

    layer: float = 1.0
    kind: float = 0.6
    alpha: float = 1.5
    gradient: float = 1.5
    edge: float = 2.0  # how much more pixels near an edge between labels count


def measure_parsing_losses(
    logits: ParsingLogits, samples: ParsingSamples, how: ParsingLossWeights
) -> dict[str, Tensor]:
    """Each loss, and `loss`, their weighted sum."""
    inside = samples.valid
    layer = weighted_cross_entropy(logits.layer, samples.layer, LAYER_WEIGHTS, inside, how.edge)
    kind = weighted_cross_entropy(logits.kind, samples.kind, KIND_WEIGHTS, inside, how.edge)
    alpha = logits.alpha.float().sigmoid()
    off = (alpha - samples.alpha).abs()
    soft = F.binary_cross_entropy_with_logits(logits.alpha.float(), samples.alpha, reduction="none")
    near = 1 + 4 * (label_edge_mask((samples.alpha * 2).round().to(torch.uint8)[:, 0]))[:, None]
    flat = (inside * near * (off + 0.3 * soft)).sum() / (inside * near).sum().clamp(min=1)
    slope = (inside * (image_gradients(alpha) - image_gradients(samples.alpha)).abs()).sum() / inside.sum().clamp(min=1)
    loss = how.layer * layer + how.kind * kind + how.alpha * flat + how.gradient * slope
    return {"loss": loss, "layer": layer, "kind": kind, "alpha": flat, "gradient": slope}


def weighted_cross_entropy(
    logits: Float[Tensor, "B K H W"],
    labels: UInt8[Tensor, "B H W"],
    worth: tuple[float, ...],
    inside: Float[Tensor, "B 1 H W"],
    edge: float,
) -> Tensor:
    """Cross entropy, weighted by label and near edges, inside the photo."""
    each = F.cross_entropy(logits.float(), labels.long(), reduction="none")
    by = constant_on_device(worth, logits.device)[labels.long()] * (1 + edge * label_edge_mask(labels)) * inside[:, 0]
    return (each * by).sum() / by.sum().clamp(min=1)


def label_edge_mask(labels: UInt8[Tensor, "B H W"], reach: int = 2) -> Float[Tensor, "B H W"]:
    """1 where another label is at most `reach` pixels away."""
    values = labels.float()
    high, negative_low = slide_maximum(torch.stack([values, -values], 1), 2 * reach + 1).unbind(1)
    return (high > -negative_low).float()


def image_gradients(values: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 2 H W"]:
    """Differences to the right and lower neighbours."""
    right = F.pad(values[..., 1:] - values[..., :-1], (0, 1))
    down = F.pad(values[..., 1:, :] - values[..., :-1, :], (0, 0, 0, 1))
    return torch.cat([right, down], 1)


def confusion_matrix(
    found: UInt8[Tensor, "B H W"], true: UInt8[Tensor, "B H W"], inside: Float[Tensor, "B 1 H W"], count: int
) -> Int[Tensor, "K K"]:
    """Number of pixels of each true label (rows) that were given each label (columns)."""
    kept = inside[:, 0] > 0.5
    index = true[kept].long() * count + found[kept].long()
    return torch.bincount(index, minlength=count * count).view(count, count)


def label_ious(table: Int[Tensor, "K K"], names: tuple[str, ...]) -> dict[str, float]:
    """Intersection over union of each label; NaN for labels that do not occur."""
    both = table.diagonal().double()
    either = table.sum(0) + table.sum(1) - both
    return {name: round(float(v), 4) for name, v in zip(names, both / either, strict=True)}
