"""PG2's networks have the published sizes; each stage learns by its own loss."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators.pose_guided import (
    PUBLISHED_POSE_GUIDED,
    SMALL_POSE_GUIDED,
    PictureDiscriminator,
    PoseGuidedConfig,
    PoseGuidedNetworks,
    pose_guided_form,
)

NARROW = PoseGuidedConfig((64, 48), outputs=4, width=4, critic_width=4)


def size_of(net):
    return sum(weight.numel() for weight in net.parameters())


def inputs(count=2, size=NARROW.size):
    random = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, *size, generator=random), torch.rand(count, 18, *size, generator=random)


@pytest.mark.parametrize(
    ("size", "integration", "refinement", "critic", "coarsest"),
    [((256, 256), 122_103_235, 12_696_067, 10_896_257, (8, 8)), ((128, 64), 70_795_075, 6_206_339, 4_324_737, (8, 4))],
)
def test_published_sizes(size, integration, refinement, critic, coarsest):
    how = pose_guided_form("published", size)
    with torch.device("meta"):
        net, against = PoseGuidedNetworks(how), PictureDiscriminator(how)
    assert (size_of(net.integration), size_of(net.refinement), size_of(against)) == (integration, refinement, critic)
    assert (how.coarsest, net.integration.squeeze.out_features, how.outputs) == (coarsest, 64, 3)


def test_the_published_count_of_a_checkpoint_is_met():
    """PATN's authors give PG2 437.09 million: each weight with Adam's two moments."""
    with torch.device("meta"):
        whole = size_of(PoseGuidedNetworks(PUBLISHED_POSE_GUIDED)) + size_of(PictureDiscriminator())
    assert round(3 * whole / 1e6, 2) == 437.09


@pytest.mark.parametrize("size", [(128, 96), (256, 192), (64, 48)])
def test_the_small_form_is_small(size):
    how = pose_guided_form("small", size)
    with torch.device("meta"):
        net = PoseGuidedNetworks(how)
        photo, pose = torch.empty(1, 3, *size), torch.empty(1, 18, *size)
        assert net(photo, pose).fine.shape == (1, 4, *size)
    assert size_of(net) < 4e6
    assert 2 * size_of(net) < 8e6  # bytes in half precision
    assert how.width == SMALL_POSE_GUIDED.width


def test_learning_reaches_every_weight_and_each_stage_learns_alone():
    torch.manual_seed(0)
    net = PoseGuidedNetworks(NARROW)
    net(*inputs()).fine.square().mean().backward()
    assert all(weight.grad is None for weight in net.integration.parameters())
    assert all(weight.grad.abs().sum() > 0 for weight in net.refinement.parameters())
    net(*inputs()).coarse.square().mean().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in net.integration.parameters())


def test_the_second_stage_adds_to_the_first():
    net = PoseGuidedNetworks(NARROW)
    torch.nn.init.zeros_(net.refinement.head.weight)
    made = net(*inputs())
    assert torch.equal(made.fine, made.coarse)
    assert made.fine.shape == (2, 4, 64, 48)


def test_pictures_do_not_depend_on_their_neighbours():
    torch.manual_seed(0)
    net, (photo, pose) = PoseGuidedNetworks(NARROW), inputs(3)
    apart = torch.cat([net(photo[k : k + 1], pose[k : k + 1]).fine for k in range(3)])
    assert_close(net(photo, pose).fine, apart, rtol=1e-4, atol=1e-5)


def test_folding_keeps_the_size():
    net = PoseGuidedNetworks(replace(NARROW, size=(128, 96), fold=2))
    assert net(*inputs(1, (128, 96))).coarse.shape == (1, 4, 128, 96)


def test_the_discriminator_scores_whole_pictures():
    score = PictureDiscriminator(NARROW)(inputs()[0])
    assert score.shape == (2, 1)


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="100x96 cannot be halved"):
        PoseGuidedNetworks(replace(NARROW, size=(100, 96)))
    with pytest.raises(ValueError, match="16x16 cannot be halved"):
        PoseGuidedNetworks(replace(NARROW, size=(16, 16)))
