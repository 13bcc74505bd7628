"""A picture or a video behind somebody: at the right time, in the right place, for as long as is asked."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.photos.headers import NotAPicture
from pipelines.rendering.backdrop import open_backdrop
from tests.support.media import RATE, UPRIGHT, corners, film, number, picture
from tests.support.standing import standing


def seconds(*numbers, after=0.0):
    """Frames of a motion at these times, in frames of the film."""
    return replace(standing(len(numbers)), seconds=after + torch.tensor(numbers, dtype=torch.float64) / RATE)


def numbers(pictures):
    return [number(p.permute(1, 2, 0).numpy()) for p in pictures]


def test_a_video_is_shown_at_its_own_times_and_begins_anew(tmp_path):
    behind = open_backdrop(film(tmp_path / "ten.mp4", count=10), (96, 128))
    assert numbers(behind.send(seconds(0, 1, 2))) == [0, 1, 2]
    assert numbers(behind.send(seconds(2.5, 3, 9))) == [2, 3, 9]
    assert numbers(behind.send(seconds(10, 19, 20, 47))) == [0, 9, 0, 7]


def test_another_rate_and_a_later_start(tmp_path):
    behind = open_backdrop(film(tmp_path / "slow.mp4", count=20, rate=10, at=lambda i: i / 10), (96, 128))
    assert numbers(behind.send(seconds(0, 1, 2, 3, 6, 9, after=7))) == [0, 0, 0, 1, 2, 3]


def test_the_clock_may_have_begun_earlier(tmp_path):
    behind = open_backdrop(film(tmp_path / "ten.mp4", count=10), (96, 128), begin=3.0)
    assert numbers(behind.send(seconds(4, 5, 12, after=3.0))) == [4, 5, 2]


@pytest.mark.parametrize("size", [(96, 64), (60, 200), (192, 256), (33, 47)])
def test_the_middle_covers_any_size(tmp_path, size):
    """The same of a video and of its picture: only what juts out is cut off."""
    film(tmp_path / "clip.mp4", count=3, image=lambda i, size: picture(0, size))
    cv2.imwrite(str(tmp_path / "still.png"), picture(0)[..., ::-1])
    video = open_backdrop(tmp_path / "clip.mp4", size).send(seconds(1))
    still = open_backdrop(tmp_path / "still.png", size).send(seconds(1))
    assert video.shape == still.shape == (1, 3, *size)
    assert (video.float() - still.float()).abs().mean() < 5
    if size[1] / size[0] == pytest.approx(4 / 3, 0.1):
        assert corners(still[0].permute(1, 2, 0).numpy()) == UPRIGHT


def test_a_still_stays(tmp_path):
    cv2.imwrite(str(tmp_path / "still.png"), picture(5)[..., ::-1])
    behind = open_backdrop(tmp_path / "still.png", (96, 128))
    assert numbers(behind.send(seconds(0, 500))) == [5, 5]
    assert np.array_equal(behind.send(seconds(501))[0].permute(1, 2, 0).numpy(), picture(5))


def test_neither_picture_nor_video(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(NotAPicture):
        open_backdrop(tmp_path / "x.txt", (96, 128))
