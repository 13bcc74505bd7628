"""A shadow lies on the ground under what is close to it, and nowhere else."""

import torch

from motion_imitate.compositing.shadow import Floor, cast_shadow, darken_picture, shadow_strength
from motion_imitate.compositing.shadow_run import cast_shadow_run
from motion_imitate.geometry.camera import camera_to_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.types import Camera

SIZE = (120, 160)
FLOOR = Floor.level(1.0)
CAMERA = Camera(torch.tensor([[1.5, 2.0]]), torch.zeros(1, 2), torch.zeros(1, 3))
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def board(height, away=3.0):
    """A board of 40 by 40 cm over the ground, level."""
    x, z = torch.tensor([-0.2, 0.2, 0.2, -0.2]), torch.tensor([-0.2, -0.2, 0.2, 0.2])
    return torch.stack([x, torch.full((4,), 1.0 - height), away + z], 1)


def of(height):
    return shadow_strength(board(height), FACES, FLOOR, CAMERA, rasterize, SIZE)


def test_it_lies_where_the_board_touches_the_ground():
    lost = of(0.0)
    middle = camera_to_image(torch.tensor([[[0.0, 1.0, 3.0]]]), CAMERA)[0, 0, :2]
    row, column = int((middle[1] + 1) * SIZE[0] / 2), int((middle[0] + 1) * SIZE[1] / 2)
    assert lost[row, column] > 0.3
    assert lost[: row - 20].max() == 0
    assert lost[:, : column - 40].max() == 0


def test_the_higher_the_fainter_until_there_is_none():
    dark = [float(of(height).max()) for height in (0.0, 0.05, 0.1, 0.2)]
    assert dark == sorted(dark, reverse=True)
    assert dark[-1] < 0.1 * dark[0]
    assert of(0.5) is None


def test_it_takes_light_and_touches_nothing_else():
    lost = of(0.0)
    picture = torch.full((2 * SIZE[0], 2 * SIZE[1], 3), 200, dtype=torch.uint8)
    darken_picture(picture, lost)
    large = torch.nn.functional.interpolate(lost[None, None], scale_factor=2, mode="bilinear")[0, 0]
    assert (picture[..., 0] - 200 * (1 - large)).abs().max() <= 4
    assert (picture[..., 0] - 200 * (1 - large)).abs().mean() < 0.1
    assert (picture[large == 0] == 200).all()


def test_shadows_of_a_run_are_those_of_its_frames():
    """One board on the ground, one above it, one so high that there is no shadow, and one beside the picture."""
    boards = torch.stack([board(0.0), board(0.04), board(0.6), board(0.0) + torch.tensor([9.0, 0.0, 0.0])])
    cameras = CAMERA.map(lambda values: values.expand(4, -1))
    pictures = torch.full((4, 4 * SIZE[0], 4 * SIZE[1], 3), 200, dtype=torch.uint8)
    expected = pictures.clone()
    for picture, at in zip(expected, boards, strict=True):
        cast_shadow(picture, at, FACES, FLOOR, CAMERA, rasterize)
    cast_shadow_run(pictures, boards, FACES, FLOOR, cameras, rasterize)
    apart = (pictures.int() - expected.int()).abs()
    assert apart.max() <= 12
    assert apart.float().mean() < 0.05
    assert [bool((picture < 190).any()) for picture in pictures] == [True, True, False, False]
