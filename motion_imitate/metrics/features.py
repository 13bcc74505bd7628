"""Comparisons of sets of pictures by the pooled features of a backbone."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.training.losses import FeatureExtractor

POOLED_HEIGHT = 256  # pixels of a picture in the input of the backbone


def pool_features(features: FeatureExtractor, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C"]:
    """The mean over each picture of the backbone's deepest features."""
    size = [POOLED_HEIGHT, round(POOLED_HEIGHT * pictures.shape[3] / pictures.shape[2])]
    return features(F.interpolate(pictures, size, mode="bilinear", antialias=True))[-1].mean((2, 3))


def frechet_distance(some: Float[Tensor, "N C"], others: Float[Tensor, "M C"]) -> Float[Tensor, ""]:
    """Squared Fréchet distance of the Gaussians fitted to two sets of features; 0 for the same set."""
    some, others = some.double(), others.double()
    first, second = (torch.cov(x.T) for x in (some, others))
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    apart = (some.mean(0) - others.mean(0)).square().sum()
    return (apart + first.trace() + second.trace() - 2 * mixed).clamp(min=0)


def retrieval_recall(
    queries: Float[Tensor, "Q C"],
    gallery: Float[Tensor, "G C"],
    wanted: Int[Tensor, " Q"],
    people: Int[Tensor, " G"],
    most: int,
) -> Float[Tensor, " Q"]:
    """1 where one of the `most` entries of the gallery nearest to a query, by cosine, shows the person wanted."""
    middle = gallery.mean(0)
    likeness = F.normalize(queries - middle, dim=1) @ F.normalize(gallery - middle, dim=1).T
    nearest = likeness.topk(min(most, len(gallery)), dim=1).indices
    return (people[nearest] == wanted[:, None]).any(1).to(queries)
