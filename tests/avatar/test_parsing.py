"""Facts of the human parsing network."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.parse_photo import certain_person, find_person_box, parse_photo, refine_edges
from motion_imitate.avatar.parsing_crop import (
    CropWindow,
    crop_labels,
    crop_to_window,
    fit_crop_window,
    repeat_photo_border,
    uncrop_window,
)
from motion_imitate.avatar.parsing_labels import correct_limb_sides, remove_background, remove_small_islands
from motion_imitate.avatar.parsing_net import (
    INPUT_CHANNELS,
    LAYER_NAMES,
    PARSING_SIZE,
    ParsingInput,
    ParsingLogits,
    ParsingNet,
    double_image_size,
    encode_body_parts,
    fold_batch_norms,
    load_parsing_net,
    mirrored_body_codes,
    parsing_net_parameters,
    split_parsing_outputs,
    write_parsing_net,
)
from motion_imitate.bodies.parts import PART_NUMBERS


def make_input(count: int, size: tuple[int, int] = (64, 48)) -> ParsingInput:
    random = torch.Generator().manual_seed(0)
    shape = (count, 1, *size)
    return ParsingInput(
        colour=torch.rand(count, 3, *size, generator=random),
        inside=torch.ones(shape),
        body_code=torch.randint(0, 16, (count, *size), generator=random, dtype=torch.uint8),
        depth=torch.randint(1, 255, (count, *size), generator=random, dtype=torch.uint8),
        has_body=torch.ones(count),
        matte=torch.rand(shape, generator=random),
        has_matte=torch.ones(count),
    )


def test_outputs_have_the_size_of_the_input():
    net = ParsingNet().eval()
    logits = net.parse(make_input(2, (128, 96)))
    assert [tuple(x.shape) for x in vars(logits).values()] == [(2, 8, 128, 96), (2, 9, 128, 96), (2, 1, 128, 96)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_doubling_the_size_is_the_bilinear_resize(layout):
    images = torch.rand(2, 5, 6, 4, dtype=torch.double).contiguous(memory_format=layout).requires_grad_()
    expected = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    found = double_image_size(images)
    assert found.is_contiguous(memory_format=layout)
    assert_close(found, expected)
    weight = torch.rand_like(found)
    assert_close(*(torch.autograd.grad((out * weight).sum(), images)[0] for out in (found, expected)))


def test_the_network_is_small():
    assert parsing_net_parameters(ParsingNet()) < 4.8e6


def test_a_missing_body_or_matte_has_no_effect():
    net, one = ParsingNet().eval(), make_input(1)
    none = {"has_body": torch.zeros(1), "has_matte": torch.zeros(1)}
    empty = ParsingInput(**vars(one) | none)
    other = ParsingInput(
        **vars(empty) | {"body_code": one.body_code * 0, "depth": one.depth * 0, "matte": one.matte * 0}
    )
    assert_close(net.parse(empty).layer, net.parse(other).layer)


def test_folded_and_stored_weights_give_the_same(tmp_path):
    net = ParsingNet()
    for _ in range(2):
        net(torch.randn(4, INPUT_CHANNELS, 64, 48))
    net.eval()
    inputs = make_input(2)
    before = net.parse(inputs)
    write_parsing_net(tmp_path / "weights.safetensors", net, {"step": 0})
    after = load_parsing_net(tmp_path / "weights.safetensors").parse(inputs)
    assert_close(after.layer, before.layer, rtol=0.02, atol=0.02)


def test_weights_of_another_network_are_refused(tmp_path):
    from motion_imitate import weights

    weights.write_weights(tmp_path / "weights.safetensors", {}, {"layer": torch.zeros(1)})
    with pytest.raises(ValueError, match="is not a parsing network"):
        load_parsing_net(tmp_path / "weights.safetensors")


def test_the_network_fits_four_pictures():
    torch.manual_seed(0)
    net, inputs = ParsingNet(), make_input(4, (32, 32))
    layer = torch.zeros(4, 32, 32, dtype=torch.long)
    for k in range(4):
        layer[k, 4 * (k % 4) : 24, 5:25] = 1 + k % 7
    optimizer = torch.optim.Adam(net.parameters(), 4e-3)
    errors = []
    for _ in range(20):
        out = split_parsing_outputs(net(inputs.stack_channels()))
        loss = torch.nn.functional.cross_entropy(out.layer, layer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(loss.detach()))
    assert errors[-1] < 0.4 * errors[0]


def test_codes_are_mirrored_twice_to_themselves():
    table = mirrored_body_codes().long()
    assert torch.equal(table[table], torch.arange(16))
    assert torch.equal(encode_body_parts(torch.tensor([0, 1, 2])), torch.tensor([0, 15, 1], dtype=torch.uint8))


def test_a_window_placed_where_it_was_cut_is_the_picture():
    y, x = torch.meshgrid(torch.linspace(0, 1, 300), torch.linspace(0, 1, 220), indexing="ij")
    picture = torch.stack([x, y, x * y])
    window = CropWindow(20.0, 30.0, 180.0, 240.0)
    back = uncrop_window(crop_to_window(picture, window), window, (300, 220))
    assert_close(back[:, 40:260, 30:190], picture[:, 40:260, 30:190], rtol=0, atol=0.01)


def test_the_frame_holds_the_box_and_keeps_the_shape():
    window = fit_crop_window((100.0, 50.0, 180.0, 250.0))
    assert window.width / window.height == pytest.approx(PARSING_SIZE[1] / PARSING_SIZE[0])
    assert window.left < 100
    assert window.top < 50
    assert window.left + window.width > 180
    assert window.top + window.height > 250


def test_nothing_of_the_body_lies_beyond_the_photo():
    found = crop_labels(torch.full((1, 40, 30), 7, dtype=torch.uint8), CropWindow(-30.0, 0.0, 60.0, 80.0), (80, 60))
    assert (found[0, :40, 30:] == 7).all()
    assert found.sum() == 7 * 40 * 30


def test_a_parsed_photo_sums_to_one():
    torch.manual_seed(0)
    net = fold_batch_norms(ParsingNet().eval())
    parts = torch.zeros(160, 120, dtype=torch.uint8)
    parts[30:140, 40:80] = 2
    box = find_person_box(parts)
    assert box == (40.0, 30.0, 80.0, 140.0)
    parsed = parse_photo(net, torch.rand(3, 160, 120), parts, parts * 60, box)
    assert parsed.alpha.shape == (1, 160, 120)
    middle = parsed.layer[:, 40:130, 40:80].sum(0)
    assert_close(middle, torch.ones_like(middle), rtol=0, atol=1e-4)


def test_a_photo_without_a_body_is_refused():
    with pytest.raises(ValueError, match="shows no body"):
        find_person_box(torch.zeros(20, 20, dtype=torch.uint8))


def test_outputs_are_split_by_name():
    parsing = split_parsing_outputs(torch.zeros(1, 18, 8, 8))
    assert isinstance(parsing, ParsingLogits)


def test_outside_the_photo_is_background():
    torch.manual_seed(0)
    net, inputs = ParsingNet().eval(), make_input(1)
    inputs.inside[..., 30:] = 0
    logits = net.parse(inputs)
    for values in (logits.layer, logits.kind):
        assert (values.argmax(1)[..., 30:] == 0).all()
        assert (values.argmax(1)[..., :30] > 0).any()
    assert (logits.alpha.sigmoid()[..., 30:] < 1e-6).all()


def test_the_photo_border_is_not_blended_with_the_background_outside():
    maps, inside = torch.zeros(2, 6, 6), torch.zeros(6, 6, dtype=torch.bool)
    inside[1:4, 2:5] = True
    maps[:, inside] = torch.rand(2, 9)
    repeated = repeat_photo_border(maps, inside)
    assert torch.equal(repeated[:, inside], maps[:, inside])
    assert torch.equal(repeated[:, 0, 0], maps[:, 1, 2])
    assert torch.equal(repeated[:, 5, 5], maps[:, 3, 4])


def one_hot_maps(labels: torch.Tensor, count: int) -> torch.Tensor:
    return 0.8 * torch.nn.functional.one_hot(labels, count).movedim(-1, 0).float() + 0.2 / count


def test_small_islands_are_removed_and_larger_regions_stay():
    labels = torch.zeros(60, 60, dtype=torch.long)
    labels[5:55, 5:55] = 4
    labels[10:16, 10:16] = 8  # enclosed by one label
    labels[30:50, 30:50] = 8
    labels[30:36, 10:16] = 3  # as large, but of a label that may be enclosed
    labels[57, 57] = 4
    cleaned = remove_small_islands(one_hot_maps(labels, 9), enclosed=(8,)).argmax(0)
    expected = labels.clone()
    expected[10:16, 10:16] = 4
    expected[57, 57] = 0
    assert torch.equal(cleaned, expected)


def test_a_limb_is_moved_to_the_side_of_a_clear_body_raster():
    labels = torch.zeros(40, 40, dtype=torch.long)
    labels[5:35, 5:10], labels[5:35, 30:35] = LAYER_NAMES.index("arm_left"), LAYER_NAMES.index("leg_left")
    code = torch.zeros(40, 40, dtype=torch.uint8)
    code[5:35, 6:10] = encode_body_parts(torch.tensor(PART_NUMBERS["forearm"][0][1]))
    code[5:20, 30:35], code[20:35, 30:35] = (
        encode_body_parts(torch.tensor(PART_NUMBERS["shin"][0][side])) for side in (0, 1)
    )
    corrected = correct_limb_sides(one_hot_maps(labels, 8), code).argmax(0)
    assert (corrected[5:35, 5:10] == LAYER_NAMES.index("arm_right")).all()
    assert torch.equal(corrected[:, 20:], labels[:, 20:])  # the raster shows both legs there


def test_the_shipped_network_finds_a_plain_figure():
    """Weights, input channels and labels fit together."""
    photo, parts = torch.full((3, 256, 192), 0.8), torch.zeros(256, 192, dtype=torch.uint8)
    parts[80:170, 70:120], parts[170:235, 72:92], parts[170:235, 98:118] = 2, 9, 10
    parts[30:78, 80:110] = 23
    photo[:, 80:170, 70:120] = torch.tensor([0.7, 0.1, 0.1])[:, None, None]
    photo[:, 170:235, 72:118] = torch.tensor([0.1, 0.1, 0.4])[:, None, None]
    photo[:, 30:78, 80:110] = torch.tensor([0.8, 0.6, 0.5])[:, None, None]
    parsed = parse_photo(load_parsing_net(), photo, parts, (parts > 0).byte() * 128, find_person_box(parts))
    assert parsed.alpha[0, 90:160, 80:110].mean() > 0.8
    assert parsed.alpha[0, :, :20].mean() < 0.1
    assert (parsed.layer.argmax(0)[100:150, 85:105] == LAYER_NAMES.index("trunk")).float().mean() > 0.8


def test_where_matte_and_body_agree_there_is_a_person():
    inputs = make_input(1)
    code, matte = torch.zeros_like(inputs.body_code), torch.zeros_like(inputs.matte)
    code[:, 10:30, 10:30], matte[..., 20:] = 2, 1.0
    certain = certain_person(replace(inputs, body_code=code, matte=matte))
    expected = torch.zeros(64, 48, dtype=torch.bool)
    expected[12:28, 20:28] = True
    assert torch.equal(certain, expected)
    assert not certain_person(replace(inputs, body_code=code, matte=matte, has_matte=torch.zeros(1))).any()
    cleaned = remove_background(torch.rand(8, 64, 48).softmax(0), certain)
    assert (cleaned[0][certain] == 0).all()
    assert_close(cleaned.sum(0), torch.ones(64, 48))


def test_the_guided_filter_keeps_what_is_flat_and_follows_the_photo():
    photo = torch.zeros(3, 40, 40)
    photo[:, :, 20:] = 1
    assert_close(refine_edges(torch.full((1, 40, 40), 0.3), photo, 4), torch.full((1, 40, 40), 0.3))
    soft = torch.linspace(0, 1, 40).expand(1, 40, 40)
    refined = refine_edges(soft, photo, 8)
    assert (refined[0, 10:30, 20] - refined[0, 10:30, 19]).min() > 5 * (1 / 39)
