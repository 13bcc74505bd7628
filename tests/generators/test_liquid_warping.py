"""The networks have the published sizes, read the photos where they are told, and depend on nothing else."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from motion_imitate import weights
from motion_imitate.generators.blocks import AttentionWarpingBlock, SumWarpingBlock, resize_flows, warp_features
from motion_imitate.generators.hourglass import Hourglass
from motion_imitate.generators.liquid_warping import (
    NETWORK_SHAPES,
    OUTPUT_CHANNELS,
    SID,
    TSF,
    LiquidWarpingBatch,
    LiquidWarpingNetworks,
    OutputHeads,
    composite_heads,
    upscale_to_multiple,
    warp_photos,
)
from motion_imitate.geometry.flow import OUTSIDE_IMAGE
from tests.support.narrow_networks import narrow

PUBLISHED = {"paper": (31_445_184, 33_003_776, 33_003_776), "attention": (8_537_088, 9_164_288, 18_575_616)}


@pytest.fixture(autouse=True)
def chance():
    torch.manual_seed(0)


def shaken(net):
    """With weights that let everything through, those that begin as 0 too."""
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.3 if weight.dim() == 1 else (2 / weight[0].numel()) ** 0.5)
    return net.eval()


def size_of(net):
    return sum(weight.numel() for weight in net.parameters())


def here(height, width):
    """The flow that reads each pixel where it is, [height, width, 2]."""
    down, across = ((torch.arange(n) * 2 + 1) / n - 1 for n in (height, width))
    return torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], -1)


def wobbling(views, ways, size):
    """Flows, each another, that leave the photos at the borders; and where they are valid."""
    flows = here(size, size) * (1.1 + 0.1 * torch.rand(views, ways, 1, 1, 1)) + 0.1 * torch.randn(views, ways, 1, 1, 2)
    valid = torch.rand(views, ways, size // 4, size // 4).gt(0.3)
    return flows, valid.repeat_interleave(4, 2).repeat_interleave(4, 3)


def pairs(people, photos, size=32):
    flow, valid = wobbling(people, photos, size)
    image, surface = torch.rand(2, people, photos, 3, size, size)
    person = torch.rand(people, photos, 1, size, size).round()
    return LiquidWarpingBatch(image, person, surface, 1 - person[:, 0], torch.rand(people, 3, size, size), flow, valid)


def multiplications(net, run):
    """Of all convolutions, while it runs."""
    counts = []

    def count(part, given, made):
        if isinstance(part, nn.Conv2d):
            counts.append(made[:, 0].numel() * part.weight.numel())
        elif isinstance(part, nn.ConvTranspose2d):
            counts.append(given[0][:, 0].numel() * part.weight.numel())

    hooks = [part.register_forward_hook(count) for part in net.modules()]
    run()
    for hook in hooks:
        hook.remove()
    return sum(counts)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_networks_have_the_published_sizes(name):
    with torch.device("meta"):
        nets = LiquidWarpingNetworks(NETWORK_SHAPES[name])
    assert tuple(map(size_of, (nets.background, nets.source, nets.target))) == PUBLISHED[name]
    assert size_of(nets) == {"paper": 97_452_736, "attention": 36_276_992}[name]


def test_the_small_form_is_small():
    """At most 4 million weights, and 2 thousand million operations a frame of 256 pixels."""
    shape = NETWORK_SHAPES["corrections"]
    source, target = SID(shape), TSF(shape)
    assert size_of(source) + size_of(target) <= 4_000_000
    flows, valid = wobbling(1, 1, 256)
    with torch.inference_mode():
        features = source.features(torch.rand(1, shape.source.inputs, 256, 256))
        drawn = torch.rand(1, shape.target.inputs, 256, 256)
        count = multiplications(target, lambda: target(drawn, features, flows, valid))
    assert 2 * count <= 2e9


def test_what_is_read_at_whole_pixels_is_moved_exactly():
    features, flow = torch.randn(1, 1, 5, 12, 16), here(12, 16) + torch.tensor([2 * 2 / 16, 3 * 2 / 12])
    read = warp_features(features, flow[None, None], torch.ones(1, 1, 12, 16))
    assert_close(read[0, 0, :, :9, :14], features[0, 0, :, 3:, 2:])
    assert (read[0, 0, :, 10:].abs().max(), read[0, 0, :, :, 15:].abs().max()) == (0, 0)


@pytest.mark.parametrize("views", [1, 3])
def test_each_way_reads_its_photo_for_each_view(views):
    """Way k photo k % N, be the photos those of all views or of each."""
    flows, valid = wobbling(views, 4, 16)
    share = valid.float()
    for people in {1, views}:
        features = torch.randn(people, 2, 3, 8, 8)
        read = warp_features(features, flows, share)
        for v in range(views):
            for k in range(4):
                alone = warp_features(
                    features[v % people, None, None, k % 2], flows[v, None, None, k], share[v, None, None, k]
                )
                assert_close(read[v, k], alone[0, 0])


def test_flows_are_made_smaller_without_what_is_invalid():
    flows = here(16, 16)[None, None].clone()
    valid = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    valid[..., 3:11, 3:11] = True
    flows[~valid] = OUTSIDE_IMAGE
    for size in (8, 4, 2):
        flows, valid = resize_flows(flows, valid, (size, size))
        assert flows[valid > 0].abs().max() < 1
    assert valid.mean() == 64 / 256


def test_photos_that_are_nowhere_valid_change_nothing_of_a_sum():
    x, read = torch.randn(2, 3, 8, 8), torch.randn(1, 1, 3, 8, 8)
    flows = here(8, 8).expand(2, 4, 8, 8, 2)
    assert_close(SumWarpingBlock(3)(x, warp_features(read, flows, torch.zeros(2, 4, 8, 8))), x, rtol=0, atol=0)
    assert_close(SumWarpingBlock(3)(x, warp_features(read, flows, torch.full((2, 4, 8, 8), 0.25))), x + read[0])


def test_attention_believes_photos_by_shares_and_needs_one_of_several_alike():
    x, read = torch.randn(2, 6, 8, 8), torch.randn(2, 1, 6, 8, 8)
    join = shaken(AttentionWarpingBlock(6))
    several = read.expand(-1, 3, -1, -1, -1)
    assert_close(join.weights(x, several), torch.full((2, 3, 8, 8), 1 / 3))
    assert_close(join(x, several), join(x, read))
    other = torch.randn(2, 3, 6, 8, 8)
    share = join.weights(x, other)
    assert_close(share.sum(1), torch.ones(2, 8, 8))
    assert share.std() > 0.05
    assert_close(join(x, other.flip(1)), join(x, other))


def test_attention_scales_and_shifts_what_is_there_over_its_mean_and_deviation():
    x, read = 5 + 3 * torch.randn(1, 6, 32, 32), torch.randn(1, 2, 6, 32, 32)
    join = AttentionWarpingBlock(6)
    for part in (join.scale, join.shift):
        nn.init.zeros_(part.weight)
        nn.init.constant_(part.bias, 0.5)
    made = join(x, read)
    assert_close(made.mean((2, 3)), torch.full((1, 6), 0.5))
    assert_close(made.std((2, 3)), torch.full((1, 6), 1.5), rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", NETWORK_SHAPES)
def test_each_view_is_drawn_by_itself(name):
    shape = narrow(name)
    source, target = shaken(SID(shape)), shaken(TSF(shape))
    features = source.features(torch.randn(2, shape.source.inputs, 32, 32))
    given = (torch.randn(3, shape.target.inputs, 32, 32), *wobbling(3, 4, 32))
    picture, flows, valid = given
    together = target(picture, features, flows, valid)
    assert tuple(part.shape[1] for part in together) == OUTPUT_CHANNELS
    own = target(picture, [x.expand(3, *x.shape) for x in features], flows, valid)
    apart = [target(picture[v, None], features, flows[v, None], valid[v, None]) for v in range(3)]
    for n, part in enumerate(together):
        assert_close(part, torch.cat([one[n] for one in apart]), rtol=1e-3, atol=1e-4)
        assert_close(part, own[n], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NETWORK_SHAPES)
def test_photos_count_where_they_are_valid(name):
    shape = narrow(name)
    source, target = shaken(SID(shape)), shaken(TSF(shape))
    one, other = (source.features(torch.randn(1, shape.source.inputs, 32, 32)) for _ in range(2))
    picture, flows = torch.randn(1, shape.target.inputs, 32, 32), here(32, 32)[None, None]
    for valid, counts in ((torch.ones(1, 1, 32, 32), True), (torch.zeros(1, 1, 32, 32), False)):
        made, instead = (target(picture, features, flows, valid).colour for features in (one, other))
        assert ((made - instead).abs().max() > 1e-3) == counts


@pytest.mark.parametrize("name", NETWORK_SHAPES)
def test_views_may_have_any_size(name):
    shape = narrow(name)
    source, target = SID(shape), TSF(shape)
    features = source.features(torch.randn(1, shape.source.inputs, 45, 37))
    drawn = target(
        torch.randn(2, shape.target.inputs, 37, 50),
        features,
        here(37, 50).expand(2, 1, -1, -1, -1),
        torch.ones(2, 1, 37, 50),
    )
    assert {part.shape[2:] for part in drawn} == {(37, 50)}


def test_pictures_that_fit_are_left_alone_and_others_grow():
    picture = torch.rand(1, 3, 32, 48)
    assert upscale_to_multiple(picture, 16) is picture
    assert upscale_to_multiple(picture, 32).shape == (1, 3, 32, 64)


def test_the_small_form_changes_nothing_before_it_has_learnt():
    shape = NETWORK_SHAPES["corrections"]
    features = SID(shape).features(torch.randn(1, shape.source.inputs, 32, 32))
    drawn = TSF(shape)(torch.randn(1, shape.target.inputs, 32, 32), features, *wobbling(1, 1, 32))
    assert [part.shape[1] for part in drawn] == [3, 1]
    assert all((part == 0).all() for part in drawn)


@pytest.mark.parametrize("name", ["paper", "attention"])
def test_learning_reaches_every_weight(name):
    """But shifts that are the same for all photos, or that a norm takes out."""
    shape = narrow(name)
    nets = shaken(LiquidWarpingNetworks(shape))
    some = pairs(2, 2)
    made = nets(some)
    loss = mse_loss(made.target, some.image[:, 1]) + mse_loss(made.source, some.image)
    (loss + made.source_mask.mean() + made.target_mask.mean()).backward()
    for part, weight in nets.named_parameters():
        if not (name == "attention" and (part.startswith("background") or part.endswith("key.bias"))):
            assert weight.grad.norm() > 1e-7, part
    assert all(weight.grad.norm() > 1e-7 for weight in nets.background.parameters() if weight.dim() > 1)


@pytest.mark.parametrize("name", NETWORK_SHAPES)
def test_drawing_a_view_teaches_what_looks_at_the_photos_but_not_what_draws_them_again(name):
    shape = narrow(name)
    source, target = shaken(SID(shape)), shaken(TSF(shape))
    features = source.features(torch.randn(1, 2, shape.source.inputs, 32, 32))
    drawn = target(torch.randn(1, shape.target.inputs, 32, 32), features, *wobbling(1, 2, 32))
    torch.cat(drawn, 1).square().mean().backward()
    for part, weight in source.named_parameters():
        looks = part.startswith(("glass.stem", "glass.stages"))
        assert (weight.grad is not None and weight.grad.norm() > 1e-7) == looks, part
    assert all(weight.grad.norm() > 1e-7 for part, weight in target.named_parameters() if "key.bias" not in part)


def test_people_are_learnt_from_one_by_one():
    nets, some = shaken(LiquidWarpingNetworks(narrow("paper"))), pairs(2, 3)
    both, second = nets(some), nets(some[1:])
    for part in vars(second):
        assert_close(getattr(both[1:], part), getattr(second, part), rtol=1e-3, atol=1e-4)


def test_the_background_is_seen_where_the_person_is_not():
    behind, colour = torch.rand(1, 3, 4, 4) * 2 - 1, torch.randn(1, 3, 4, 4)
    for cover, picture, mask in (
        (-50.0, behind, 1),
        (50.0, colour.tanh(), 0),
        (0.0, (behind + colour.tanh()) / 2, 0.5),
    ):
        made, seen = composite_heads(OutputHeads(colour, torch.full((1, 1, 4, 4), cover)), behind)
        assert_close(made, (picture + 1) / 2)
        assert (seen - mask).abs().max() < 1e-6


def test_photos_are_read_once_where_several_show_the_spot():
    photos = torch.rand(1, 2, 3, 8, 8)
    valid = torch.zeros(1, 2, 8, 8, dtype=torch.bool)
    valid[:, 0, :4], valid[:, 1, 2:6] = True, True
    read = warp_photos(photos, here(8, 8).expand(1, 2, 8, 8, 2), valid)
    one, other = photos[0]
    rows = (one[:, :2], (one + other)[:, 2:4] / 2, other[:, 4:6], torch.zeros(3, 2, 8))
    assert_close(read[0], torch.cat(rows, 1))


def test_a_network_whose_form_lacks_parts_is_told():
    with pytest.raises(ValueError, match="'paper' or 'attention'"):
        LiquidWarpingNetworks(NETWORK_SHAPES["corrections"])


@pytest.mark.parametrize("name", ["paper", "attention"])
def test_what_is_written_and_read_draws_the_same(name, tmp_path):
    one, other = (shaken(LiquidWarpingNetworks(narrow(name))) for _ in range(2))
    some = pairs(1, 1)
    weights.write_weights(tmp_path / "nets.safetensors", {"shape": name}, one.state_dict())
    about, stored = weights.read_weights(tmp_path / "nets.safetensors")
    assert about == {"shape": name}
    assert (one(some).target - other(some).target).abs().max() > 1e-3
    other.load_state_dict(stored)
    assert_close(one(some).target, other(some).target, rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORK_SHAPES)
def test_learning_starts_from_nothing_that_bursts_or_vanishes(name):
    shape = NETWORK_SHAPES[name]
    found = SID(shape).features(torch.randn(1, shape.source.inputs, 32, 32))
    assert all(0.1 < x.std() < 10 for x in found)


def test_separable_layers_draw_as_much_with_few_weights():
    net = NETWORK_SHAPES["corrections"].target
    few = Hourglass(replace(net, separable=("stem", "down", "block", "merge")))
    assert few(torch.randn(1, net.inputs, 32, 32)).shape == (1, net.outputs, 32, 32)
    assert size_of(few) < 0.2 * size_of(Hourglass(net))


def test_the_way_back_sees_the_way_down():
    """What is finer than the smallest size gets past it by the skips."""
    net = replace(NETWORK_SHAPES["paper"].target, width=4)
    dots = torch.zeros(1, 6, 32, 32)
    dots[..., ::2, ::2] = 1
    for skips in (True, False):
        glass = shaken(Hourglass(replace(net, skips=skips)))
        start, told = glass.read(dots)
        seen = glass.draw(start, told) - glass.draw(start, [*told[:2], torch.randn_like(told[2]), *told[3:]])
        assert (seen == 0).all()  # the smallest size is no skip
        seen = glass.draw(start, told) - glass.draw(torch.randn_like(start), told)
        assert (seen.abs().max() > 1e-3) == skips
