"""Distances between sets of features whose answers are known."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.metrics.features import frechet_distance, pool_features, retrieval_recall


def normal(count, channels=4, seed=0):
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("count", [3, 50])  # fewer than features, and more
def test_a_set_is_no_distance_from_itself_in_any_order(count):
    some = normal(count, 6)
    assert_close(frechet_distance(some, some.flip(0)), torch.tensor(0.0, dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_distance_of_moved_and_of_stretched_sets_is_the_formula():
    some = normal(500)
    some = (some - some.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(some.T))).T  # unit covariance
    assert_close(frechet_distance(some, some + 3), torch.tensor(4 * 9.0, dtype=torch.float64))
    assert_close(frechet_distance(some, 3 * some), torch.tensor(4 * (3 - 1.0) ** 2, dtype=torch.float64))


def test_a_person_is_found_among_as_many_as_are_looked_at():
    gallery = torch.eye(4)
    people = torch.tensor([0, 1, 2, 3])
    queries = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0.9, 0]])
    wanted = torch.tensor([0, 2])
    assert retrieval_recall(queries, gallery, wanted, people, 1).tolist() == [1, 0]
    assert retrieval_recall(queries, gallery, wanted, people, 2).tolist() == [1, 1]
    assert retrieval_recall(queries, gallery, torch.tensor([3, 0]), people, 10).tolist() == [1, 1]


def test_pooled_features_are_means_over_the_picture_at_one_size():
    seen = []

    def features(pictures):
        seen.append(pictures.shape)
        return [pictures[:, :1], pictures]

    assert_close(pool_features(features, torch.full((2, 3, 64, 48), 0.25)), torch.full((2, 3), 0.25))
    assert seen == [(2, 3, 256, 192)]
