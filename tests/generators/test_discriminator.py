"""The discriminator looks at patches, each picture by itself."""

import torch
from torch.testing import assert_close

from motion_imitate.generators.discriminator import Discriminator, DiscriminatorConfig

NARROW = DiscriminatorConfig(width=4)


def test_it_has_the_papers_size():
    assert sum(weight.numel() for weight in Discriminator().parameters()) == 6_962_625


def test_each_mark_is_of_a_patch_of_142_pixels():
    """As its kernels reach; only means and deviations are of the whole picture."""
    net = Discriminator(NARROW)
    for part in net.layers:
        if isinstance(part, torch.nn.InstanceNorm2d):
            part.forward = lambda x: x
    picture = torch.randn(1, 6, 256, 256, requires_grad=True)
    marks = net(picture)
    assert marks.shape == (1, 1, 14, 14)
    marks[0, 0, 7, 7].backward()
    seen = picture.grad.abs().sum((0, 1)) > 0
    assert (seen.any(0).sum(), seen.any(1).sum()) == (142, 142)


def test_pictures_do_not_depend_on_their_neighbours():
    net, pictures = Discriminator(NARROW), torch.randn(3, 6, 64, 64)
    assert_close(net(pictures), torch.cat([net(one[None]) for one in pictures]))


def test_the_surface_counts():
    net, pictures = Discriminator(NARROW), torch.randn(1, 6, 64, 64)
    other = pictures.clone()
    other[:, 3:] = torch.randn(1, 3, 64, 64)
    assert (net(pictures) - net(other)).abs().max() > 1e-6


def test_learning_reaches_every_weight_but_the_shifts_that_norms_take_out():
    net = Discriminator(NARROW)
    net(torch.randn(2, 6, 64, 64)).square().mean().backward()
    assert all(weight.grad.abs().sum() > 0 for name, weight in net.named_parameters() if name.endswith("weight"))


def test_it_learns_to_tell_grey_from_stripes():
    torch.manual_seed(0)
    net = Discriminator(NARROW)
    steps = torch.optim.Adam(net.parameters(), 4e-3, (0.5, 0.999))
    stripes = (torch.arange(64) // 4 % 2 * 2.0 - 1).expand(2, 6, 64, 64)
    for _ in range(30):
        noise = torch.randn(2, 6, 64, 64)
        loss = (net(stripes + noise) - 1).square().mean() + (net(noise) + 1).square().mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
    noise = torch.randn(2, 6, 64, 64)
    assert net(stripes + noise).mean() > 0.5
    assert net(noise).mean() < -0.5
