"""Votes are spread over the picture as the networks were trained, and those that mean one thing become one."""

import numpy as np

from motion_imitate.estimators.blazepose import PERSON_DETECTOR_LAYOUT
from motion_imitate.estimators.face import FACE_DETECTOR_LAYOUT as FACES
from motion_imitate.estimators.ssd import box_overlaps, merge_detections, run_detector


def votes(x: float, y: float, count: int, spread: float, seed: int = 0) -> np.ndarray:
    """Noisy votes for a box of 40 pixels round (x, y) with four keypoints."""
    shape = np.array([[-20, -20], [20, 20], [0, 0], [0, -60], [5, -30], [0, -80]], np.float32)
    noise = np.random.default_rng(seed).normal(size=(count, 1, 2)) * spread
    return (shape + np.array([x, y]) + noise).astype(np.float32)


def test_places_are_as_many_as_the_networks_votes():
    assert len(PERSON_DETECTOR_LAYOUT.places()) == 2254
    assert len(FACES.places()) == 896
    assert PERSON_DETECTOR_LAYOUT.places()[[0, -1]].tolist() == [[4, 4], [208, 208]]


def test_votes_for_one_become_one_at_their_weighted_mean():
    points, score = votes(100, 100, 6, 2.0), np.array([0.9, 0.8, 0.7, 0.9, 0.6, 0.5], np.float32)
    (found,) = merge_detections(points, score)
    assert np.allclose(found.points, np.average(points[:, 2:], axis=0, weights=score), atol=1e-3)
    assert np.isclose(found.score, 0.9)


def test_two_who_stand_close_stay_two():
    points = np.concatenate([votes(100, 100, 4, 1.0), votes(118, 102, 4, 1.0, seed=1)])
    assert box_overlaps(points[0, :2], points[4:5, :2])[0] > 0.3
    assert len(merge_detections(points, np.full(8, 0.8, np.float32))) == 2


def test_a_vote_is_found_where_it_was_cast_in_a_picture_of_any_shape():
    """The letterbox is undone: a vote at a known place of the square comes out at that place of the picture."""
    vote = np.zeros((1, 2254, 12), np.float32)
    scores = np.full((1, 2254, 1), -50, np.float32)
    at = int(np.flatnonzero((PERSON_DETECTOR_LAYOUT.places() == [116, 60]).all(1))[0])
    vote[0, at] = [0, 0, 20, 20, *[4, 8] * 4]
    scores[0, at] = 5
    for height, width in ((448, 448), (896, 448), (300, 1200)):
        scale = max(height, width) / 224
        found = run_detector(
            lambda x: [vote, scores], PERSON_DETECTOR_LAYOUT, np.zeros((height, width, 3), np.uint8), 0.5
        )
        left, top = (224 - width / scale) / 2, (224 - height / scale) / 2
        expected = (np.array([120, 68]) - [left, top]) * scale
        assert np.allclose(found[0].points, expected, atol=scale)
        assert np.allclose(found[0].box[2:] - found[0].box[:2], 20 * scale, rtol=0.02)
