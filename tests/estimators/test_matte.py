"""The matte follows the colours of the picture near the mask's edge, and nowhere else."""

import torch

from motion_imitate.estimators.matte import estimate_matte, warp_mask_to_image
from motion_imitate.types import Sighting

SIZE = (300, 200)


def seen(mask, crop=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))):
    nothing = torch.zeros(1, 33)
    return Sighting(
        torch.zeros(1, 33, 2), torch.zeros(1, 33, 3), nothing, torch.ones(1), torch.tensor([crop]), mask, torch.zeros(1)
    )


def disc(radius, size, wobble=0.0):
    y, x = torch.meshgrid(*((torch.arange(n) + 0.5) / n * 2 - 1 for n in size), indexing="ij")
    turn = torch.atan2(y, x)
    return (x**2 + y**2).sqrt() < radius * (1 + wobble * torch.sin(8 * turn))


def test_a_mask_lies_where_its_crop_says():
    mask = (255 * disc(0.8, (128, 128)))[None].to(torch.uint8)
    found = torch.from_numpy(warp_mask_to_image(seen(mask, ((0.5, 0, 0.2), (0, 0.5, -0.1))), SIZE)) > 0.5
    y, x = torch.meshgrid(*((torch.arange(n) + 0.5) / n * 2 - 1 for n in SIZE), indexing="ij")
    expected = (((x - 0.2) / 0.5) ** 2 + ((y + 0.1) / 0.5) ** 2).sqrt() < 0.8
    assert (found != expected).float().mean() < 0.005


def test_the_edge_is_the_pictures():
    truth = disc(0.7, SIZE, 0.03)
    skin, wall = torch.tensor([[0.8, 0.3, 0.2], [0.1, 0.4, 0.5]])[..., None, None]
    image = torch.where(truth, skin, wall)
    image = image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    mask = (255 * disc(0.7, (128, 128)))[None].to(torch.uint8)
    rough = torch.from_numpy(warp_mask_to_image(seen(mask), SIZE)) > 0.5
    found = estimate_matte(image.clamp(0, 1), seen(mask))[0] > 0.5
    assert (rough != truth).float().mean() > 0.01
    assert (found != truth).float().mean() < 0.3 * (rough != truth).float().mean()


def test_a_hat_in_the_colour_of_the_floor_stays():
    person = disc(0.7, SIZE)
    top, floor = torch.arange(SIZE[0])[:, None] < 60, torch.arange(SIZE[0])[:, None] > 120
    red, violet, grey = torch.tensor([[0.8, 0.3, 0.2], [0.6, 0.5, 0.8], [0.65, 0.65, 0.7]])[..., None, None]
    image = torch.where(person, torch.where(top, violet, red), torch.where(floor, violet, grey))
    image = image + 0.06 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    found = estimate_matte(image.clamp(0, 1), seen((255 * disc(0.7, (128, 128)))[None].to(torch.uint8)))[0]
    assert found[person & top].mean() > 0.87


def test_colours_that_lead_astray_are_not_followed():
    mask = (255 * disc(0.7, (128, 128)))[None].to(torch.uint8)
    found = estimate_matte(torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0)), seen(mask))[0] > 0.5
    assert (found != disc(0.7, SIZE)).float().mean() < 0.05


def test_nobody_has_no_matte():
    found = estimate_matte(torch.rand(3, *SIZE), seen(torch.zeros(1, 128, 128, dtype=torch.uint8)))
    assert found.shape == (1, *SIZE)
    assert not found.any()
