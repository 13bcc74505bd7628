"""PATN and DRN have the published sizes; details come from the photo, the face from its landmarks, and only there."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators.detail_replenishing import (
    DETAIL_FORMS,
    PUBLISHED_DETAIL,
    SMALL_DETAIL,
    DetailConfig,
    DetailInput,
    DetailReplenishingNetworks,
    PairDiscriminators,
    crop_boxes,
    paste_faces,
    soft_box_mask,
)
from motion_imitate.generators.pose_attention import PoseAttentionConfig, PoseAttentionNet

SIZE = (64, 48)
POSE = PoseAttentionConfig(outputs=4, width=4, blocks=2, norm="none", dropout=0.0)
NARROW = DetailConfig(POSE, blocks=1, face_side=16, critic_width=4, critic_blocks=1)
BOX = torch.tensor([-0.25, -0.5, 0.25, 0.0])


@pytest.fixture(autouse=True)
def chance():
    torch.manual_seed(0)


def size_of(net):
    return sum(weight.numel() for weight in net.parameters())


def given(count=2, size=SIZE, side=16):
    return DetailInput(
        photo=torch.rand(count, 3, *size) * 2 - 1,
        poses=torch.rand(count, 36, *size),
        face=torch.rand(count, 3, side, side) * 2 - 1,
        landmarks=torch.rand(count, 11, side, side),
        box=BOX.expand(count, 4),
        shown=torch.ones(count),
    )


@pytest.mark.parametrize(("norm", "count"), [("instance running", 41_358_019), ("batch", 41_365_763)])
def test_patn_has_the_published_size(norm, count):
    """41.36 million, as its authors say."""
    with torch.device("meta"):
        assert size_of(PoseAttentionNet(replace(PoseAttentionConfig(), norm=norm))) == count


def test_drn_has_the_size_that_its_description_gives():
    with torch.device("meta"):
        net, against = DetailReplenishingNetworks(), PairDiscriminators()
    assert size_of(net.pose_branch) == 41_358_019
    assert size_of(net.replenishing) == 14_890_118
    assert (size_of(against.appearance), size_of(against.shape)) == (3_928_384, 3_975_424)
    assert PUBLISHED_DETAIL.pose.outputs == 3


def test_published_shapes():
    """At a quarter of the size there are 256 channels, the discriminators' scores too."""
    with torch.device("meta"):
        coarse, features = PoseAttentionNet()(torch.empty(1, 3, 256, 176), torch.empty(1, 36, 256, 176))
        scores = PairDiscriminators()(torch.empty(1, 24, 256, 176))
    assert (coarse.shape, features.shape) == ((1, 3, 256, 176), (1, 256, 64, 44))
    assert scores.shape == (1, 2, 256, 64, 44)


def test_the_small_form_is_small():
    with torch.device("meta"):
        net = DetailReplenishingNetworks(SMALL_DETAIL)
    assert 2 * size_of(net) < 8e6  # bytes in half precision
    assert size_of(net) < 4e6
    made = DetailReplenishingNetworks(SMALL_DETAIL)(given(1, side=SMALL_DETAIL.face_side))
    assert made.fine.shape == (1, 4, *SIZE)
    assert set(DETAIL_FORMS) == {"published", "small"}


def test_learning_reaches_every_weight():
    net, sample = DetailReplenishingNetworks(NARROW), given()
    made = net(sample)
    (made.coarse.square().mean() + made.fine.square().mean()).backward()
    assert [name for name, weight in net.named_parameters() if not weight.grad.abs().sum() > 0] == []
    critic = PairDiscriminators(NARROW)
    critic(torch.rand(2, 24, *SIZE)).square().mean().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in critic.parameters())


def test_details_reach_the_pose_branch_through_its_features_alone():
    net = DetailReplenishingNetworks(NARROW)
    net(given()).fine.square().mean().backward()
    assert all(weight.grad is None for weight in net.pose_branch.decoder.parameters())
    assert all(weight.grad.abs().sum() > 0 for weight in net.pose_branch.picture.parameters())


def test_the_face_changes_nothing_outside_its_box_nor_where_none_is_shown():
    net, sample = DetailReplenishingNetworks(NARROW).eval(), given()
    other = replace(sample, landmarks=torch.rand_like(sample.landmarks))
    change = (net(sample).fine - net(other).fine).abs().amax(1)
    inside = torch.zeros(*SIZE, dtype=torch.bool)
    inside[16:32, 18:30] = True  # the box
    near = torch.zeros(*SIZE, dtype=torch.bool)
    near[8:40, 12:36] = True  # 4 deviations around it
    assert change[:, inside].mean() > 1e-4
    assert change[:, ~near].max() < 1e-5
    hidden = [replace(one, shown=torch.zeros(2)) for one in (sample, other)]
    assert torch.equal(net(hidden[0]).fine, net(hidden[1]).fine)


def test_details_depend_on_the_photos_style():
    net, sample = DetailReplenishingNetworks(NARROW).eval(), given()
    features = torch.rand(2, POSE.channels, 16, 12)
    one, other = (net.replenishing.whole(features, guide) for guide in (sample.photo, -sample.photo))
    assert (one - other).abs().max() > 1e-4


def test_attention_decides_where_the_picture_changes():
    block = PoseAttentionNet(POSE).blocks[0]
    picture, pose = torch.rand(1, POSE.channels, 8, 8), torch.rand(1, POSE.channels, 8, 8)
    torch.nn.init.zeros_(block.pose[-1].weight)
    for bias, gate in ((-1e4, 0.0), (1e4, 1.0)):
        torch.nn.init.constant_(block.pose[-1].bias, bias)
        after, both = block(picture, pose)
        assert_close(after, picture + gate * block.picture(picture))
        assert both.shape == (1, 2 * POSE.channels, 8, 8)


def test_pictures_do_not_depend_on_their_neighbours():
    net, sample = DetailReplenishingNetworks(NARROW).eval(), given(3)
    apart = torch.cat([net(sample[k : k + 1]).fine for k in range(3)])
    assert_close(net(sample).fine, apart, rtol=1e-4, atol=1e-5)


def test_a_face_that_is_cropped_and_pasted_is_where_it_was():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 48), indexing="ij")
    picture, boxes = torch.stack([x, y, x * y])[None], BOX[None]
    back = paste_faces(crop_boxes(picture, boxes, 32), boxes, SIZE)
    assert_close(back[..., 18:30, 20:28], picture[..., 18:30, 20:28], rtol=0, atol=0.02)


def test_the_mask_of_a_face_is_a_blurred_box():
    mask = soft_box_mask(BOX[None], (256, 256))[0, 0]
    assert_close(mask.sum() / 256**2, torch.tensor(0.25 * 0.25), rtol=1e-3, atol=0)  # blurring keeps the area
    assert mask[96, 128] > 0.99  # the middle
    assert_close(mask[95:97, [95, 96, 159, 160]].mean(), torch.tensor(0.5), rtol=0, atol=0.01)  # the edge
