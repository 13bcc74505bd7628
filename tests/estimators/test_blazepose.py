"""The pose networks see a real person where four calibrated cameras say he is, turned and mirrored pictures alike."""

import cv2
import numpy as np
import pytest

from motion_imitate.estimators.blazepose import (
    MIRROR_ORDER,
    PERSON_DETECTOR_LAYOUT,
    PersonLandmarks,
    detect_landmarks,
    detect_people,
    detector_squares,
    landmark_similarity,
    mask_to_uint8,
    refine_by_heatmap,
    rois_match,
)
from motion_imitate.estimators.nets import load_net
from motion_imitate.estimators.roi import Roi
from motion_imitate.estimators.ssd import run_detector
from tests.support import DATA

JOINTS = [11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]


def read(name: str) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(DATA / name))[..., ::-1])


@pytest.fixture(scope="module")
def nets():
    return load_net("pose_detector"), load_net("pose_full")


@pytest.fixture(scope="module")
def image():
    return read("one_person.jpg")


@pytest.fixture(scope="module")
def seen(nets, image) -> PersonLandmarks:
    (person,) = detect_people(nets[0], image, 0.5)
    return detect_landmarks(nets[1], image, detect_landmarks(nets[1], image, person.roi).next_roi())


def test_joints_are_where_the_other_cameras_say(image):
    heavy, detector = load_net("pose_heavy"), load_net("pose_detector")
    roi = detect_landmarks(heavy, image, detect_people(detector, image, 0.5)[0].roi).next_roi()
    seen = detect_landmarks(heavy, image, roi)
    with np.load(DATA / "networks.npz") as stored:
        error = np.linalg.norm(seen.points[JOINTS] - stored["joints"][JOINTS], axis=1)
    assert seen.score > 0.99
    assert np.median(error) < 0.01 * roi.side
    assert error.max() < 0.03 * roi.side


def test_the_mid_hip_is_the_origin_in_space(seen):
    assert np.abs(seen.world[[23, 24]].mean(0)).max() < 1e-5
    assert 0.3 < np.linalg.norm(seen.world[11] - seen.world[23]) < 0.7  # a torso, in metres


def test_joints_lie_on_the_mask_and_the_corner_does_not(seen):
    mask = mask_to_uint8(seen.mask)
    matrix = seen.roi.matrix(128)
    x, y = np.linalg.solve(matrix[:, :2], (seen.points[[11, 12, 23, 24]] - matrix[:, 2]).T).astype(int)
    assert mask[y, x].min() > 200
    assert mask[:8, :8].max() < 30


def test_in_a_picture_on_its_side_everything_lies_on_its_side(nets, image, seen):
    """A quarter turn clockwise takes (x, y) to (-y, x), in the picture and in space."""
    turned = np.ascontiguousarray(np.rot90(image, -1))
    roi = Roi(image.shape[0] - seen.roi.y, seen.roi.x, seen.roi.side, seen.roi.turn + np.pi / 2)
    other = detect_landmarks(nets[1], turned, roi)
    assert np.abs(other.points - np.stack([image.shape[0] - seen.points[:, 1], seen.points[:, 0]], 1)).max() < 2
    expected = np.stack([-seen.world[:, 1], seen.world[:, 0], seen.world[:, 2]], 1)
    assert np.abs(other.world - expected).max() < 0.02


def test_with_mirroring_left_and_right_are_treated_alike(nets, image, seen):
    """The mean over a picture and its mirror image can't prefer a side: mirroring the picture mirrors the answer.

    But for the places in space, which are those of the picture as it is.
    """
    width = image.shape[1]
    flipped = np.ascontiguousarray(image[:, ::-1])
    roi = Roi(width - seen.roi.x, seen.roi.y, seen.roi.side, -seen.roi.turn)
    one, other = (
        detect_landmarks(nets[1], image, seen.roi, mirror=True),
        detect_landmarks(nets[1], flipped, roi, mirror=True),
    )
    points = other.points[MIRROR_ORDER[:35]] * [-1, 1] + [width, 0]
    assert np.abs(one.points - points).max() < 1
    assert np.array_equal(one.world, detect_landmarks(nets[1], image, seen.roi).world)
    assert np.abs(one.visible - other.visible[MIRROR_ORDER[:33]]).max() < 0.02
    assert np.abs(mask_to_uint8(one.mask).astype(int) - mask_to_uint8(other.mask)[:, ::-1]).mean() < 1
    assert landmark_similarity(one, seen) > 0.95


def test_somebody_hidden_is_not_seen(nets, image, seen):
    assert detect_landmarks(nets[1], image, seen.roi).score > 0.99
    assert landmark_similarity(detect_landmarks(nets[1], image, seen.roi, hide=[seen]), seen) < 0.8


def test_left_and_right_trade_places_twice():
    assert np.array_equal(MIRROR_ORDER[MIRROR_ORDER], np.arange(39))
    assert MIRROR_ORDER[11] == 12


def test_a_small_person_is_found_in_a_wide_picture(nets, image):
    """Letterboxed as a whole the picture shows too little of him; a square of it is enough."""
    scene = np.full((400, 1600, 3), image.mean((0, 1)), np.uint8)
    scene[:, 1355:1580] = cv2.resize(image, (225, 400), interpolation=cv2.INTER_AREA)
    assert not run_detector(nets[0], PERSON_DETECTOR_LAYOUT, scene, 0.5)
    (found,) = detect_people(nets[0], scene, 0.5)
    with np.load(DATA / "networks.npz") as stored:
        hips = stored["joints"][[23, 24]].mean(0) * 400 / 960 + [1355, 0]
    assert np.abs(hips - [found.roi.x, found.roi.y]).max() < 0.1 * found.roi.side


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (700, 720), (400, 1600), (33, 999), (512, 768)])
def test_squares_cover_the_picture_and_stay_inside(size):
    whole, *parts = detector_squares(*size)
    assert whole == (0, 0, max(size))
    covered = np.zeros(size, bool)
    for left, top, side in parts:
        assert left + side <= size[1]
        assert top + side <= size[0]
        covered[top : top + side, left : left + side] = True
    assert covered.all() or max(size) < 1.2 * min(size)


def test_a_point_is_drawn_to_the_peak_of_its_heat_map():
    y, x = np.mgrid[0:64, 0:64]
    heat = np.full((64, 64, 39), -9.0, np.float32)
    heat[..., 5] = 6 - ((x - 30) ** 2 + (y - 21) ** 2)
    points = np.full((39, 2), 4 * 28.0, np.float32)
    points[5] = 4 * 28.0, 4 * 20.0
    out = refine_by_heatmap(points, heat)
    assert np.abs(out[5] - [120, 84]).max() < 0.5
    assert np.array_equal(np.delete(out, 5, 0), np.delete(points, 5, 0))


def test_squares_round_one_person_are_alike():
    assert rois_match(Roi(100.0, 100.0, 200.0, 0.0), Roi(110.0, 95.0, 220.0, 0.3))
    assert not rois_match(Roi(100.0, 100.0, 200.0, 0.0), Roi(150.0, 100.0, 200.0, 0.0))
    assert not rois_match(Roi(100.0, 100.0, 200.0, 0.0), Roi(100.0, 100.0, 400.0, 0.0))
