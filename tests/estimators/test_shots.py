"""Cuts are found, and nothing else is taken for one; each shot is as if it were alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.bodies import load_body
from motion_imitate.estimators import clip as clip_module
from motion_imitate.estimators.clip import fit_shots, join_into_runs, open_clip
from motion_imitate.estimators.shots import mark_shots
from motion_imitate.motion.windows import iter_shots, resample_motion
from motion_imitate.types import Frames, Motion, cat_batched
from motion_imitate.weights import find_asset
from tests.support.standing import standing

SIZE = (90, 160)


def scenery(seed):
    """[H, W, 3] from 0 to 255: large and small patches of colour, wider than a frame."""
    random = np.random.default_rng(seed)
    layers = [random.uniform(0, 255, (count, 3 * count, 3)) for count in (4, 12)]
    layers = [cv2.resize(layer, (480, SIZE[0]), interpolation=cv2.INTER_CUBIC) for layer in layers]
    return np.mean(layers, 0).clip(0, 255)


def shot(seed, count=12, speed=0.0, start=0.0):
    """A camera that pans so many pixels a frame."""
    lefts = (round(start + speed * t) for t in range(count))
    return [scenery(seed)[:, left : left + SIZE[1]] for left in lefts]


def film(pictures, length=4):
    noise = np.random.default_rng(0)
    noisy = [(picture + noise.normal(0, 2, picture.shape)).clip(0, 255).astype(np.uint8) for picture in pictures]
    data = torch.from_numpy(np.stack(noisy)).permute(0, 3, 1, 2)
    whole = Frames(data, torch.arange(len(data)) / 30)
    return [whole[k : k + length] for k in range(0, len(whole), length)]


def shots(pictures, length=4):
    return torch.cat([run.shot for run in mark_shots(film(pictures, length))]).tolist()


@pytest.mark.parametrize("length", [1, 4, 5, 40])
def test_every_cut_is_found_at_its_frame_however_the_frames_come(length):
    pictures = shot(0) + shot(1, speed=4) + shot(2, speed=-2, start=100) + shot(0)
    assert shots(pictures, length) == [k for k in range(4) for _ in range(12)]


def test_a_cut_to_and_from_black_is_one():
    black = [np.zeros((*SIZE, 3))] * 12
    assert shots(shot(0) + black + shot(1)) == [k for k in range(3) for _ in range(12)]


def brighter(pictures, first, after, gain):
    return [picture * (gain if first <= t < after else 1) for t, picture in enumerate(pictures)]


UNCUT = {
    "still": shot(0, 40),
    "fast pan": shot(0, 20, 15.0),
    "a pan that starts at once": shot(0, 10) + shot(0, 16, 18.0),
    "flash of one frame": brighter(shot(0, 30), 12, 13, 5),
    "light switched on": brighter(shot(0, 30), 12, 30, 2),
    "fade to black": [p * max(0.0, 1 - t / 12) for t, p in enumerate(shot(0, 20))],
    "dissolve": [a * (1 - t / 20) + b * t / 20 for t, (a, b) in enumerate(zip(shot(0, 20), shot(1, 20), strict=True))],
    "black": [np.zeros((*SIZE, 3))] * 20,
    "frames shown twice": [scenery(0)[:, t * t : t * t + SIZE[1]] for t in range(17) for _ in range(2)],
}


@pytest.mark.parametrize("name", UNCUT)
def test_what_is_no_cut_is_not_taken_for_one(name):
    assert set(shots(UNCUT[name])) == {0}


def test_a_run_comes_out_when_the_next_frame_is_known():
    taken = 0

    def runs():
        nonlocal taken
        for run in film(shot(0, 40)):
            taken += len(run)
            yield run

    given = 0
    for run in mark_shots(runs()):
        given += len(run)
        assert taken - given <= 4


def test_runs_of_detection_lie_in_one_shot():
    runs = list(join_into_runs(mark_shots(iter(film(shot(0, 30) + shot(1, 50))))))
    assert [len(run) for run in runs] == [28, 2, 26, 20, 4]  # the second shot's as if it were alone
    assert all(len(run.shot.unique()) == 1 for run in runs)


def in_shots(motion: Motion, *starts: int) -> Motion:
    return replace(motion, shot=sum((torch.arange(len(motion)) >= start).long() for start in starts))


def test_the_shots_of_a_stream_are_taken_one_by_one():
    motion = in_shots(standing(10), 4, 5)
    for runs in ([motion], [motion[:3], motion[3:]], [motion[t : t + 1] for t in range(10)]):
        seen = [torch.cat([run.seconds for run in shot]) for shot in iter_shots(iter(runs))]
        assert_close(torch.cat(seen), motion.seconds)
        assert [len(one) for one in seen] == [4, 1, 5]


def test_nothing_is_interpolated_between_two_shots():
    motion = in_shots(standing(4), 2)
    place = motion.camera.place + torch.tensor([0.0, 0, 5, 5])[:, None]
    motion = replace(motion, camera=replace(motion.camera, place=place))
    wanted = torch.lerp(motion.seconds[1], motion.seconds[2], torch.tensor([0.3, 0.7]).to(motion.seconds))
    seen = resample_motion(motion, wanted)
    assert_close(seen.camera.place, motion.camera.place[1:3])
    assert seen.shot.tolist() == [0, 1]


def test_until_somebody_is_seen_in_a_shot_the_last_pose_is_held(monkeypatch):
    """As fitted: 3 frames of a first shot, 4 of one without anybody, 3 of one in which somebody comes late."""
    motion = in_shots(standing(10), 3, 7)
    place = motion.camera.place + torch.arange(10.0)[:, None]
    confidence = torch.tensor([1.0, 1, 0, 0, 0, 0, 0, 0, 1, 1])
    motion = replace(motion, camera=replace(motion.camera, place=place), confidence=confidence)
    monkeypatch.setattr(clip_module, "fit_in_pieces", lambda clip, shot, model: shot)
    clip = open_clip(find_asset("demo/clip.mp4"))
    for length in (1, 4, 10):
        runs = [motion[k : k + length] for k in range(0, 10, length)]
        seen = cat_batched(list(fit_shots(clip, iter(runs), load_body("anny"))))
        assert_close(seen.camera.place, place[[0, 1, 2, 1, 1, 1, 1, 1, 8, 9]])
        assert torch.equal(seen.confidence, motion.confidence)
        assert torch.equal(seen.shot, motion.shot)
