"""What is seen of people in runs of video made from real pictures."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate import weights
from motion_imitate.estimators.landmarks import LandmarkEstimator, Landmarking, select_landmark_frames
from motion_imitate.types import Frames, Sighting, cat_batched
from tests.support import DATA
from tests.support.on_gpu import needs_gpu


def read(name: str) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(DATA / name))[..., ::-1])


def video(images: list[np.ndarray], rate: float = 30.0) -> Frames:
    return Frames(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), torch.arange(len(images)) / rate)


@pytest.fixture(scope="module")
def full() -> LandmarkEstimator:
    return LandmarkEstimator(Landmarking(model="full"))


@pytest.fixture(scope="module")
def panned() -> Frames:
    """A man while the camera pans by 6 pixels a frame."""
    image = read("one_person.jpg")
    return video([np.roll(image, 6 * t, axis=1) for t in range(6)])


@pytest.fixture(scope="module")
def seen(full, panned) -> Sighting:
    (seen,) = full(panned)
    return seen


def test_points_move_with_the_camera(seen):
    moved = seen.points - seen.points[:1] - torch.arange(6)[:, None, None] * torch.tensor([12 / 540, 0.0])
    clear = seen.visible.amin(0) > 0.8
    assert moved[:, clear].abs().mean() < 0.006
    assert (seen.world - seen.world[:1])[:, clear].abs().mean() < 0.02


def test_points_are_on_the_picture_where_four_cameras_say(seen):
    with np.load(DATA / "networks.npz") as stored:
        joints = torch.from_numpy(stored["joints"])[[11, 12, 23, 24, 25, 26]]
    at = (seen.points[0, [11, 12, 23, 24, 25, 26]] + 1) * torch.tensor([270.0, 480.0])
    assert (at - joints).norm(dim=1).max() < 15


def test_the_crop_lays_the_mask_over_the_person(seen):
    """Torso joints, taken back to the mask's own image points, lie on it."""
    joints = seen.points[:, [11, 12, 23, 24]] - seen.crop[:, None, :, 2]
    own = torch.linalg.solve(seen.crop[:, :, :2], joints.mT).mT
    values = torch.nn.functional.grid_sample(seen.mask[:, None].float(), own[:, None], align_corners=False)
    assert (own.abs() < 0.6).all()
    assert values.min() > 180
    assert 0.03 < (seen.mask > 127).float().mean() < 0.4


def test_between_looks_lines_are_drawn(panned, seen):
    (some,) = LandmarkEstimator(Landmarking(model="full", every=5))(panned)
    part = torch.tensor([0.2, 0.4, 0.6, 0.8])[:, None, None]
    assert_close(some.points[1:5], torch.lerp(some.points[:1], some.points[5:], part))
    assert (some.points - seen.points).norm(dim=2).median() < 0.01
    assert (some.score > 0.5).all()


@pytest.fixture(scope="module")
def fast() -> LandmarkEstimator:
    """Looks twice a second while people are calm."""
    return LandmarkEstimator(Landmarking(model="full", calm_rate=2.0))


def count_looks(estimator: LandmarkEstimator, frames: Frames, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often the landmark network runs."""
    net, runs = estimator.net, []
    monkeypatch.setattr(estimator, "net", lambda part: [runs.append(1), net(part)][1])
    (seen,) = estimator(frames)
    assert (seen.score > 0.5).any()
    return len(runs)


def test_a_calm_person_is_looked_at_less_often(full, fast, monkeypatch):
    still = video([read("one_person.jpg")] * 7)
    assert count_looks(fast, still, monkeypatch) < count_looks(full, still, monkeypatch) / 2


def test_a_person_lost_between_two_rare_looks_is_looked_for_in_each_frame(full, fast):
    image = read("one_person.jpg")
    shown = video([image] * 4 + [np.zeros_like(image)] * 3)
    (often,), (seldom,) = full(shown), fast(shown)
    assert_close(seldom.score, often.score)
    assert_close(seldom.points, often.points)


def test_two_people_are_two_sightings(full):
    people = full(video([read("two_people.jpg")]))
    assert len(people) == 2
    hips = torch.stack([p.points[0, [23, 24]].mean(0) for p in people])
    assert hips[0, 0] > 0.2 > hips[1, 0]  # the larger one stands on the right
    assert all(p.score.item() > 0.9 for p in people)


def test_fewer_people_if_so_wanted():
    how = Landmarking(model="full")
    (only,) = LandmarkEstimator(Landmarking(model="full", tracking=type(how.tracking)(people=1)))(
        video([read("two_people.jpg")])
    )
    assert only.points[0, [23, 24], 0].mean() > 0.2


def test_nobody_is_one_sighting_of_score_zero(full):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    (nothing,) = full(video([noise] * 3))
    assert (nothing.score == 0).all()
    assert len(nothing) == 3
    assert all(torch.isfinite(x).all() for x in (nothing.points, nothing.world, nothing.crop))


def test_who_leaves_keeps_their_place_with_score_zero(full):
    image = read("one_person.jpg")
    (seen,) = full(video([image, image, np.zeros_like(image), np.zeros_like(image)]))
    assert (seen.score[:2] > 0.9).all()
    assert (seen.score[2:] == 0).all()
    assert_close(seen.points[2:], seen.points[1:2].expand(2, -1, -1))


def test_runs_can_be_looked_at_side_by_side(full, panned, seen):
    with ThreadPoolExecutor(3) as pool:
        for (other,) in pool.map(full, [panned] * 3):
            assert_close(other.points, seen.points)


@pytest.mark.cuda
@needs_gpu
def test_a_gpu_sees_what_the_cpu_sees_in_runs_at_once(panned, seen):
    if not any((folder / "pose_full.tflite").exists() for folder in weights.ASSET_FOLDERS):
        pytest.skip("not in the pack of gpu_pack")
    estimator = LandmarkEstimator(Landmarking(model="full", device="cuda"))
    with ThreadPoolExecutor(4) as pool:
        for (there,) in pool.map(estimator, [panned] * 4):
            assert_close(there.points, seen.points, atol=0.01, rtol=0)
            assert_close(there.score, seen.score, atol=0.02, rtol=0)


def test_runs_of_one_frame_join_to_what_a_longer_run_gives(full, panned, seen):
    apart = cat_batched([full(panned[t : t + 1])[0] for t in range(3)])
    assert (apart.points - seen.points[:3]).norm(dim=2).median() < 0.012


@pytest.mark.parametrize(
    ("rate", "every", "expected"),
    [
        (30, 1, list(range(10))),
        (60, 1, [0, 2, 4, 6, 8, 9]),
        (24, 3, [0, 3, 6, 9]),
        (120, 1, [0, 4, 8, 9]),
        (240, 3, [0, 9]),
    ],
)
def test_looks_are_at_most_thirty_a_second(rate, every, expected):
    assert select_landmark_frames([t / rate for t in range(10)], every, 30.0) == expected


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="lite, full, heavy"):
        LandmarkEstimator(Landmarking(model="huge"))


def test_fast_video_is_looked_at_20_times_a_second_and_slow_video_at_each_frame():
    assert select_landmark_frames([k / 60 for k in range(10)], 1, 20.0, 0.03) == [0, 3, 6, 9]
    assert select_landmark_frames([k / 50 for k in range(7)], 1, 20.0, 0.03) == [0, 3, 6]
    assert select_landmark_frames([k / 30 for k in range(5)], 1, 20.0, 0.03) == [0, 1, 2, 3, 4]
    assert select_landmark_frames([k / 30 for k in range(5)], 1, 20.0) == [0, 2, 4]
