"""Faces are cut out the same however they lie in a picture, and the identity network does what its layers say."""

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.estimators.face import (
    MEAN_FACE,
    MEAN_FACE_PADDING,
    FaceNets,
    align_face,
    align_faces,
    crop_head,
    mean_face_similarity,
)
from motion_imitate.estimators.identity import FaceIdentityNet
from motion_imitate.weights import find_asset, read_weights


@pytest.fixture(scope="module")
def identity() -> FaceIdentityNet:
    return FaceIdentityNet()


@pytest.fixture(scope="module")
def nets() -> FaceNets:
    return FaceNets()


def drawn_face(size: tuple[int, int], centre: tuple[int, int], radius: int) -> torch.Tensor:
    """A drawing of a face as children make it, softened; [3, H, W]."""
    image = np.full((*size, 3), (70, 90, 110), np.uint8)
    x, y = centre

    def oval(dx: float, dy: float, wide: float, high: float, colour: tuple[int, int, int]) -> None:
        at = (round(x + dx * radius), round(y + dy * radius))
        axes = (max(1, round(wide * radius)), max(1, round(high * radius)))
        cv2.ellipse(image, at, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    oval(0, -0.15, 0.9, 1.15, (60, 40, 30))
    oval(0, 0.1, 0.75, 1.0, (224, 180, 155))
    for side in (-1, 1):
        oval(0.3 * side, -0.05, 0.15, 0.07, (245, 245, 245))
        oval(0.3 * side, -0.05, 0.06, 0.07, (50, 30, 20))
        oval(0.3 * side, -0.22, 0.17, 0.03, (60, 40, 30))
    oval(0, 0.25, 0.07, 0.2, (205, 155, 130))
    oval(0.0, 0.42, 0.11, 0.04, (190, 135, 115))
    oval(0, 0.65, 0.25, 0.07, (180, 80, 80))
    image = cv2.GaussianBlur(image, (0, 0), radius / 40)
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


def test_a_drawn_face_is_found_where_it_was_drawn(nets):
    face = nets.find(drawn_face((480, 640), (250, 220), 120))
    assert face is not None
    eyes = (face.points[[33, 133, 362, 263]].mean(0) + 1) * torch.tensor([320.0, 240.0])
    assert (eyes - torch.tensor([250.0, 214.0])).abs().max() < 20
    assert 150 < face.pixels < 320


def test_a_small_face_is_left_alone_and_no_face_is_none(nets):
    assert nets.find(drawn_face((240, 320), (160, 120), 25)) is None
    assert nets.find(torch.full((3, 100, 150), 0.5)) is None


def test_the_picture_round_a_head_maps_back():
    image = torch.rand(3, 90, 120)
    person = torch.zeros(33, 2)
    person[:11] = torch.tensor([0.2, -0.3]) + 0.05 * torch.randn(11, 2)
    part, shift, scale = crop_head(image, person)
    corner = (torch.tensor([-1.0, -1.0]) * scale + shift + 1) * torch.tensor([60.0, 45.0])
    x, y = corner.round().int().tolist()
    assert_close(part, image[:, y : y + part.shape[1], x : x + part.shape[2]])


def face_at(turn: float, side: float, shift: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """468 points whose aligned ones are the mean face turned, scaled and shifted; pixels."""
    linear = side / 2 * torch.tensor([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]).float()
    mean = 2 * (torch.tensor(list(MEAN_FACE.values())) + MEAN_FACE_PADDING) / (1 + 2 * MEAN_FACE_PADDING) - 1
    points = torch.zeros(468, 2)
    points[list(MEAN_FACE)] = mean @ linear.T + torch.tensor(shift)
    return points, linear, torch.tensor(shift)


@pytest.mark.parametrize(("turn", "side"), [(0.0, 150.0), (0.6, 90.0), (-2.0, 500.0)])
def test_alignment_is_found_exactly(turn, side):
    points, linear, shift = face_at(turn, side, (211.0, 180.0))
    found, centre = mean_face_similarity(points[list(MEAN_FACE)])
    assert_close(found, linear, atol=1e-2, rtol=1e-4)
    assert_close(centre, shift, atol=1e-2, rtol=1e-4)


def test_a_face_is_cut_out_alike_however_it_lies():
    """One smooth pattern, drawn turned and scaled, comes out upright and at one size."""
    y, x = torch.meshgrid(torch.arange(400) + 0.5, torch.arange(500) + 0.5, indexing="ij")
    cut = []
    for turn, side, shift in (
        (0.0, 160.0, (200.0, 180.0)),
        (0.7, 220.0, (260.0, 210.0)),
        (-1.1, 260.0, (240.0, 200.0)),
    ):
        points, linear, at = face_at(turn, side, shift)
        own = torch.linalg.solve(linear, (torch.stack([x, y], -1) - at).flatten(0, 1).T).T.reshape(400, 500, 2)
        image = 0.5 + 0.25 * torch.stack([torch.sin(3 * own[..., 0]), torch.cos(2 * own[..., 1]), own.sum(-1).sin()])
        cut.append(align_face(image[None], points * 2 / torch.tensor([500.0, 400.0]) - 1))
    assert (cut[0] - cut[1]).abs().max() < 0.02
    assert (cut[0] - cut[2]).abs().max() < 0.02


def test_a_large_picture_gives_the_same_chip_as_a_small_one():
    small = drawn_face((240, 320), (160, 120), 60)
    large = small.repeat_interleave(5, 1).repeat_interleave(5, 2)
    points, _, _ = face_at(0.1, 130.0, (160.0, 125.0))
    points = points * 2 / torch.tensor([320.0, 240.0]) - 1
    assert (align_face(small[None], points) - align_face(large[None], points)).abs().mean() < 0.02


def test_gradients_reach_the_picture_through_chip_and_identity(identity):
    image = drawn_face((240, 320), (160, 120), 90)[None].requires_grad_()
    points, _, _ = face_at(0.0, 200.0, (160.0, 125.0))
    identity(align_faces(image, (points * 2 / torch.tensor([320.0, 240.0]) - 1)[None])).square().sum().backward()
    assert image.grad.abs().sum() > 0
    assert not list(identity.parameters())


def test_a_face_does_not_depend_on_its_batch(identity):
    faces = torch.rand(3, 3, 150, 150, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert_close(identity(faces)[1:2], identity(faces[1:2]), atol=1e-5, rtol=1e-4)


def test_a_convolution_of_the_stored_bytes_by_hand(identity):
    """One output value of the first layer, from the file's bytes, scales and the definition of a convolution."""
    about, stored = read_weights(find_asset("face_identity.safetensors"))
    name = "conv32_down"

    def value(part: str) -> np.ndarray:
        scale, least = about["quantised"][f"{name}/{part}"]
        return stored[f"{name}/{part}"].numpy().astype(np.float64) * scale + least

    picture = torch.rand(1, 3, 150, 150, generator=torch.Generator().manual_seed(1))
    patch = picture[0, :, 20:27, 40:47].numpy().astype(np.float64)
    total = (value("conv/filters")[5] * patch).sum() + value("conv/bias")[5]
    expected = total * value("scale/weights")[5] + value("scale/biases")[5]
    assert np.isclose(identity.convolve(picture, f"{name}/conv", 2)[0, 5, 10, 20].item(), expected, rtol=1e-4)


def test_the_network_is_as_deep_and_as_large_as_dlibs(identity):
    _, stored = read_weights(find_asset("face_identity.safetensors"))
    assert sum(k.endswith("filters") for k in stored) == 29
    assert sum(v.numel() for v in stored.values()) == 5_614_592
    with torch.no_grad():
        assert identity(torch.zeros(1, 3, 150, 150)).shape == (1, 128)
