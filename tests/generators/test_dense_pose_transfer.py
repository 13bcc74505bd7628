"""Dense Pose Transfer: textures that give back what was put in, and the networks' published sizes."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators.dense_pose_transfer import DENSE_POSE_FORMS, DensePoseNetworks
from motion_imitate.generators.part_atlas import read_atlas, scatter_to_atlas, texels_around
from tests.support.narrow_networks import narrow_dense_pose
from tests.support.patched_pairs import patch_surface

PARAMETERS = {  # of the predictive, inpainting and blending networks
    "published": (7_856_515, 11_876_808, 7_856_515),
    "small": (1_444_272, 1_092_000, 344_000),
}


def batch(count=2, size=(32, 32)):
    random = torch.Generator().manual_seed(0)
    photo = torch.rand(count, 3, *size, generator=random) * 2 - 1
    return photo, patch_surface(count, size), patch_surface(count, size).flip(3), torch.ones(count, 1, *size)


@pytest.mark.parametrize("form", DENSE_POSE_FORMS)
def test_each_form_has_its_number_of_parameters(form):
    net = DensePoseNetworks(DENSE_POSE_FORMS[form])
    counts = [sum(p.numel() for p in part.parameters()) for part in (net.predictive, net.inpainting, net.blending)]
    assert tuple(counts) == PARAMETERS[form]


def test_the_published_form_is_of_256_pixels_and_nine_channels_and_the_small_one_fits_in_8_megabytes():
    published, small = DENSE_POSE_FORMS["published"], DENSE_POSE_FORMS["small"]
    assert (published.predictive.inputs, published.predictive.outputs, published.predictive.blocks) == (9, 3, 6)
    assert sum(PARAMETERS["small"]) <= 4_000_000
    assert small.predictive.outputs == small.blending.outputs == 4


def test_weights_of_texels_add_up_on_the_body_and_are_none_off_it():
    surface = patch_surface(1)
    index, weights = texels_around(surface, 8)
    assert_close(weights.sum(1), (surface[:, 0] > 0).flatten(1).float())
    assert index.min() >= 0
    assert index.max() < 24 * 64


def test_one_part_never_reads_or_writes_another():
    surface = patch_surface(1)
    photo = surface[:, :1].expand(-1, 3, -1, -1)  # its part's number everywhere
    atlas, seen = scatter_to_atlas(photo, surface, torch.ones(1, 1, 32, 32), 8)
    numbers = torch.arange(1, 25.0)[None, :, None, None, None].expand_as(atlas)
    assert_close(atlas, torch.where(seen > 0, numbers, 0.0))
    assert_close(read_atlas(numbers.contiguous(), surface), photo)


def test_what_is_scattered_is_read_again_where_the_texture_is_fine_enough():
    random = torch.Generator().manual_seed(0)
    surface = torch.rand(2, 3, 24, 24, generator=random)
    surface[:, 0] = torch.randint(0, 25, (2, 24, 24), generator=random)
    smooth = torch.stack([surface[:, 1], surface[:, 2], surface[:, 1] * surface[:, 2]], 1) * (surface[:, :1] > 0)
    atlas, _ = scatter_to_atlas(smooth, surface, torch.ones(2, 1, 24, 24), 64)
    again = read_atlas(atlas, surface)
    assert (again - smooth).abs().mean() < 0.01


def test_pixels_without_a_share_leave_no_trace():
    photo, surface, _, share = batch()
    share[:, :, :, 16:] = 0
    hidden = photo.clone()
    hidden[:, :, :, 16:] = 9
    for one, other in zip(
        scatter_to_atlas(photo, surface, share, 8), scatter_to_atlas(hidden, surface, share, 8), strict=True
    ):
        assert_close(one, other)


@pytest.mark.parametrize("form", DENSE_POSE_FORMS)
def test_gradients_reach_all_parameters_and_every_result_has_its_shape(form):
    torch.manual_seed(0)
    net = DensePoseNetworks(narrow_dense_pose(form))
    made = net(*batch())
    outputs = net.config.predictive.outputs
    assert made.drawn.shape == made.predicted.shape == (2, outputs, 32, 32)
    assert made.texture.shape == (2, 24, 3, 8, 8)
    sum(x.square().sum() for x in (made.drawn, made.predicted, made.warped)).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]


def test_the_small_form_keeps_the_texels_that_the_photo_shows():
    torch.manual_seed(0)
    net = DensePoseNetworks(narrow_dense_pose("small"))
    photo, surface, _, share = batch()
    colour, seen = scatter_to_atlas(photo, surface, share, 8)
    texture = net.complete_texture(colour, seen)
    assert_close(texture[(seen == 1).expand_as(texture)], colour[(seen == 1).expand_as(colour)])


def test_a_part_is_inpainted_from_itself_alone():
    torch.manual_seed(0)
    net = DensePoseNetworks(narrow_dense_pose("published"))
    photo, surface, _, share = batch()
    other = torch.where(surface[:, :1] == 5, -photo, photo)
    one, two = (net.complete_texture(*scatter_to_atlas(x, surface, share, 8)) for x in (photo, other))
    change = (one - two).abs()
    assert change.amax((0, 2, 3, 4)).nonzero().flatten().tolist() == [4]
