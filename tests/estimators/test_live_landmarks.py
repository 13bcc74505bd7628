"""Landmarks of a camera's frames, one by one."""

from itertools import islice

import pytest
import torch

from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking
from motion_imitate.estimators.live_landmarks import look_live
from motion_imitate.types import Frames, cat_batched
from motion_imitate.video import read
from motion_imitate.weights import find_asset


@pytest.fixture(scope="module")
def frames():
    return cat_batched(list(islice(read(find_asset("demo/clip.mp4"), 3, (480, 270)), 4)))[::3]


class CountingEstimator(LandmarkEstimator):
    """Counts its searches of the whole image."""

    searches = 0

    def search(self, image):
        self.searches += 1
        return super().search(image)


def test_landmarks_are_those_of_a_search_in_each_frame_which_happens_once(frames, unchecked_shapes):
    estimator = CountingEstimator(Landmarking(model="lite"))
    followed = cat_batched(list(look_live(iter([frames]), estimator)))
    assert estimator.searches == 1
    alone = cat_batched([estimator(frames[k : k + 1])[0] for k in range(len(frames))])
    assert torch.equal(followed.seconds, frames.seconds)
    assert float((followed.points - alone.points).norm(dim=-1).median()) < 0.02  # of image points from -1 to 1


def test_nobody_is_seen_until_somebody_comes(frames, unchecked_shapes):
    empty = Frames(torch.zeros_like(frames.data[:1]), frames.seconds[:1] - 1)
    before, after = look_live(iter([empty, frames[:1]]), LandmarkEstimator(Landmarking(model="lite")))
    assert before.score.item() == 0
    assert after.score.item() > 0.5
