"""Measures of pictures whose answers are known without measuring."""

from math import log10

import pytest
import torch
import torch.nn.functional as F
from kornia.metrics import ssim as ssim_map

from motion_imitate.metrics.images import (
    BACKBONE_SIDE,
    MS_SSIM_WEIGHTS,
    face_distance,
    flicker_error,
    mean_class_iou,
    ms_ssim,
    perceptual_distance,
    pose_error,
    psnr,
    ssim,
)

SIZE = (40, 60)


def noise(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def truth():
    """Blobs of a few pixels."""
    return torch.nn.functional.interpolate(noise(2, 3, 10, 15), SIZE, mode="bicubic").clamp(0, 1)


def box(rows, columns, count=2):
    where = torch.zeros(count, 1, *SIZE, dtype=torch.bool)
    where[:, :, rows, columns] = True
    return where


def test_the_truth_itself_is_perfect(truth):
    inside = box(slice(5, 30), slice(10, 50))
    for where in (None, inside):
        assert psnr(truth, truth, where).tolist() == [torch.inf, torch.inf]
        torch.testing.assert_close(ssim(truth, truth, where), torch.ones(2).double())
    assert flicker_error(truth, truth, inside[:1]).tolist() == [0]


def test_a_fault_of_known_size_gives_known_decibels(truth):
    assert psnr(truth + 0.1, truth).tolist() == pytest.approx([20, 20])
    sigma = 0.05
    wrong = truth + sigma * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert psnr(wrong, truth).tolist() == pytest.approx([-20 * log10(sigma)] * 2, abs=0.2)


def test_structural_similarity_of_flat_pictures_is_what_its_formula_says():
    one, other = torch.full((1, 3, *SIZE), 0.2).double(), torch.full((1, 3, *SIZE), 0.6).double()
    expected = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert ssim(one, other).item() == pytest.approx(expected)


def test_the_farther_it_is_shifted_the_less_alike_it_is(truth):
    inside = box(slice(8, 32), slice(8, 50))
    alike = torch.stack([ssim(truth.roll(shift, 3), truth, inside) for shift in range(4)])
    assert (alike.diff(dim=0) < -0.02).all()
    decibels = torch.stack([psnr(truth.roll(shift, 3), truth, inside) for shift in range(1, 4)])
    assert (decibels.diff(dim=0) < 0).all()


def test_only_what_counts_counts(truth):
    inside = box(slice(0, 20), slice(0, 30))
    wrong = torch.where(inside, truth, 1 - truth)
    assert psnr(wrong, truth, inside).tolist() == [torch.inf, torch.inf]
    assert (psnr(wrong, truth) < 20).all()
    core = box(slice(0, 14), slice(0, 24))  # as far from the fault as a window reaches
    torch.testing.assert_close(ssim(wrong, truth, core), torch.ones(2).double())
    assert (ssim(wrong, truth) < 0.8).all()


def test_nothing_that_counts_gives_no_number(truth):
    nowhere = box(slice(0, 0), slice(0, 0))
    assert psnr(truth, truth, nowhere).isnan().all()
    assert ssim(truth, truth, nowhere).isnan().all()


def large():
    """Detail at every scale, at a size that has five."""
    parts = [F.interpolate(noise(1, 3, n, n, seed=n), (192, 208), mode="bicubic") for n in (6, 24, 96)]
    return (sum(parts) / 3).clamp(0, 1)


def blurred(picture, times):
    for _ in range(times):
        picture = F.avg_pool2d(F.pad(picture, [1] * 4, mode="reflect"), 3, 1)
    return picture


def test_similarity_over_scales_falls_with_blur_and_noise_and_is_1_for_the_same():
    truth = large()
    inside = torch.zeros(1, 1, 192, 208, dtype=torch.bool)
    inside[..., 20:150, 40:170] = True
    hiss = torch.randn(truth.shape, generator=torch.Generator().manual_seed(1)).double()
    for where in (None, inside):
        torch.testing.assert_close(ms_ssim(truth, truth, where), torch.ones(1).double())
        for worse in (
            [blurred(truth, times) for times in (1, 3, 9, 27)],
            [truth + sigma * hiss for sigma in (0.02, 0.05, 0.1, 0.3)],
        ):
            alike = torch.cat([ms_ssim(picture, truth, where) for picture in worse])
            assert 0 < alike[-1] < alike[0] < 1
            assert (alike.diff() < -0.005).all()
    negative = ms_ssim(1 - truth, truth)
    assert negative.item() == 0
    assert ms_ssim(truth, truth, inside & False).isnan().all()


def test_over_scales_flat_pictures_differ_in_light_at_the_coarsest_alone():
    one, other = torch.full((1, 3, 192, 192), 0.2).double(), torch.full((1, 3, 192, 192), 0.6).double()
    light = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert ms_ssim(one, other).item() == pytest.approx(light ** MS_SSIM_WEIGHTS[-1])
    assert sum(MS_SSIM_WEIGHTS) == pytest.approx(1, abs=1.1e-4)  # as published


def test_over_scales_structure_is_what_the_definition_says():
    """Contrast and structure from local moments, scale by scale, in place of what is left when light is divided out."""
    truth = large()
    picture = (truth * 0.8 + 0.1 * noise(*truth.shape, seed=3)).clamp(0, 1)
    a, b, expected = picture, truth, 1.0
    kernel = torch.exp(-((torch.arange(11).double() - 5) ** 2) / (2 * 1.5**2))
    kernel = kernel / kernel.sum()

    def mean(x):
        x = F.pad(x.flatten(0, 1)[:, None], [5] * 4, mode="reflect")
        return F.conv2d(F.conv2d(x, kernel[None, None, None]), kernel[None, None, :, None])

    for weight in MS_SSIM_WEIGHTS[:-1]:
        both, one, other = mean(a * b) - mean(a) * mean(b), mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
        expected *= ((2 * both + 0.03**2) / (one + other + 0.03**2)).mean() ** weight
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    expected *= ssim_map(a, b, 11, eps=0.0).mean() ** MS_SSIM_WEIGHTS[-1]
    assert ms_ssim(picture, truth).item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_picture_too_small_for_two_scales_has_one(truth):
    small, other = truth[..., :21, :30], truth.roll(1, 3)[..., :21, :30]
    torch.testing.assert_close(ms_ssim(other, small), ssim(other, small), rtol=1e-4, atol=0)


def pyramid(pictures):
    """Features at five depths: the picture itself, smaller and smaller."""
    return [F.avg_pool2d(pictures, 2**n) for n in range(5)]


def test_perceptual_distance_is_of_what_counts_at_one_size():
    truth = large().float()
    inside = torch.zeros(1, 1, 192, 208, dtype=torch.bool)
    inside[..., 50:100, 60:100] = True
    elsewhere, inwards = truth.clone(), truth.clone()
    elsewhere[..., :40, :] = 0
    elsewhere[..., :, 130:] = 0
    inwards[..., 60:90, 70:90] = 0
    seen = []

    def features(pictures):
        seen.append(tuple(pictures.shape[2:]))
        return pyramid(pictures)

    pair = torch.cat([elsewhere, inwards])
    apart = perceptual_distance(features, pair, truth.repeat(2, 1, 1, 1), inside.repeat(2, 1, 1, 1))
    assert apart[0].item() == pytest.approx(0, abs=1e-6)
    assert apart[1] > 0.1
    assert set(seen) == {(BACKBONE_SIDE, round(BACKBONE_SIDE * 50 / 60))}  # with a tenth of 50 all round
    twice = [x.repeat_interleave(2, 2).repeat_interleave(2, 3) for x in (inwards, truth, inside)]
    assert perceptual_distance(pyramid, *twice).item() == pytest.approx(apart[1].item(), rel=0.05)
    assert perceptual_distance(pyramid, truth, truth, inside & False).isnan().all()


def test_classes_count_alike_whatever_their_size():
    truth = torch.zeros(20, 50, dtype=torch.int64)
    truth[:, 40:] = 3
    where = torch.ones_like(truth, dtype=torch.bool)
    assert mean_class_iou(truth, truth, where) == 1
    made = truth.clone()
    made[:, 45:] = 0
    assert mean_class_iou(made, truth, where).item() == pytest.approx((0.5 + 40 / 45) / 2)
    assert mean_class_iou(made, truth, truth == 0) == 1
    made[0, 0] = 7  # too little to count
    assert mean_class_iou(made, truth, truth == 0).item() == pytest.approx(799 / 800)
    assert mean_class_iou(made, truth, where & False).isnan()


def test_face_distance_is_that_of_the_numbers():
    faces = noise(2, 3, 150, 150)
    assert face_distance(lambda x: x[:, :2, 0, 0], faces, faces).tolist() == [0, 0]
    moved = faces.clone()
    moved[:, 0, 0, 0] += 3
    moved[:, 1, 0, 0] += 4
    assert face_distance(lambda x: x[:, :2, 0, 0], moved, faces).tolist() == pytest.approx([5, 5])


def test_flicker_grows_with_jitter_and_ignores_what_stays(truth):
    clip = torch.stack([truth[0].roll(2 * t, 2) for t in range(9)])
    where = box(slice(5, 35), slice(5, 55), 8)
    assert flicker_error(clip + 0.2, clip, where).max() < 1e-12
    sizes = [0, 1, 2, 3]
    shaken = [torch.stack([f.roll(size * (t % 2), 1) for t, f in enumerate(clip)]) for size in sizes]
    grows = torch.tensor([float(flicker_error(s, clip, where).mean()) for s in shaken])
    assert grows[0] == 0
    assert (grows.diff() > 0.01).all()
    blinking = clip + 0.1 * (torch.arange(9) % 2)[:, None, None, None]
    assert flicker_error(blinking, clip, where).tolist() == pytest.approx([0.1] * 8)
    assert flicker_error(clip[:1].expand(9, -1, -1, -1), clip).tolist() == pytest.approx(
        clip.diff(dim=0).abs().mean((1, 2, 3)).tolist()
    )


def test_points_off_by_a_tenth_of_the_person():
    size = (200, 100)  # the person is 100 pixels high and 20 wide
    truth = torch.tensor([[[-0.2, -0.5], [0.2, -0.5], [0.0, 0.5], [0.9, 0.9]]]).double()
    seen = torch.tensor([[True, True, True, False]])
    assert pose_error(truth, truth, seen, size).item() == 0
    assert pose_error(truth + torch.tensor([0.2, 0]).double(), truth, seen, size).item() == pytest.approx(0.1)
    assert pose_error(truth + torch.tensor([0, 0.1]).double(), truth, seen, size).item() == pytest.approx(0.1)
    one = truth.clone()
    one[0, 2, 1] += 0.3
    assert pose_error(one, truth, seen, size).item() == pytest.approx(0.1)
    unseen = truth.clone()
    unseen[0, 3] = 5
    assert pose_error(unseen, truth, seen, size).item() == 0
    assert pose_error(truth, truth, torch.tensor([[True, False, False, False]]), size).isnan().all()


def test_a_person_lying_is_as_long_as_one_standing():
    upright = torch.tensor([[[0.0, -0.5], [0.1, 0.5]]]).double()
    seen = torch.ones(1, 2, dtype=torch.bool)
    off = torch.tensor([0.04, 0.0]).double()
    standing = pose_error(upright + off, upright, seen, (100, 100))
    lying = pose_error((upright + off).flip(2), upright.flip(2), seen, (100, 100))
    torch.testing.assert_close(standing, lying)
