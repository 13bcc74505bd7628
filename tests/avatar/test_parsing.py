"""Facts of the human parsing network."""

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.avatar.parsing import (
    INPUT_CHANNELS,
    PARSING_SIZE,
    CropWindow,
    ParsingInput,
    ParsingLogits,
    ParsingNet,
    crop_labels,
    crop_to_window,
    encode_body_parts,
    find_person_box,
    fit_crop_window,
    fold_batch_norms,
    load_parsing_net,
    mirrored_body_codes,
    parse_photo,
    parsing_net_parameters,
    split_parsing_outputs,
    uncrop_window,
    write_parsing_net,
)


def make_input(count: int, size: tuple[int, int] = (64, 48)) -> ParsingInput:
    random = torch.Generator().manual_seed(0)
    shape = (count, 1, *size)
    return ParsingInput(
        colour=torch.rand(count, 3, *size, generator=random),
        inside=torch.ones(shape),
        code=torch.randint(0, 16, (count, *size), generator=random, dtype=torch.uint8),
        depth=torch.randint(1, 255, (count, *size), generator=random, dtype=torch.uint8),
        body=torch.ones(count),
        matte=torch.rand(shape, generator=random),
        matted=torch.ones(count),
    )


def test_outputs_have_the_size_of_the_input():
    net = ParsingNet().eval()
    said = net.parse(make_input(2, (128, 96)))
    assert [tuple(x.shape) for x in vars(said).values()] == [(2, 8, 128, 96), (2, 9, 128, 96), (2, 1, 128, 96)]


def test_the_network_is_small():
    assert parsing_net_parameters(ParsingNet()) < 4.8e6


def test_what_is_missing_is_not_looked_at():
    net, one = ParsingNet().eval(), make_input(1)
    none = {"body": torch.zeros(1), "matted": torch.zeros(1)}
    empty = ParsingInput(**vars(one) | none)
    other = ParsingInput(**vars(empty) | {"code": one.code * 0, "depth": one.depth * 0, "matte": one.matte * 0})
    assert_close(net.parse(empty).layer, net.parse(other).layer)


def test_folded_and_stored_weights_say_the_same(tmp_path):
    net = ParsingNet()
    for _ in range(2):
        net(torch.randn(4, INPUT_CHANNELS, 64, 48))
    net.eval()
    given = make_input(2)
    before = net.parse(given)
    write_parsing_net(tmp_path / "weights.safetensors", net, {"step": 0})
    after = load_parsing_net(tmp_path / "weights.safetensors").parse(given)
    assert_close(after.layer, before.layer, rtol=0.02, atol=0.02)


def test_weights_of_another_network_are_refused(tmp_path):
    from motion_imitate import weights

    weights.write_weights(tmp_path / "weights.safetensors", {}, {"layer": torch.zeros(1)})
    with pytest.raises(ValueError, match="no parsing network"):
        load_parsing_net(tmp_path / "weights.safetensors")


def test_the_network_learns_eight_pictures():
    torch.manual_seed(0)
    net, given = ParsingNet(), make_input(8, (32, 32))
    layer = torch.zeros(8, 32, 32, dtype=torch.long)
    for k in range(8):
        layer[k, 4 * (k % 4) : 24, 5:25] = 1 + k % 7
    optimiser = torch.optim.Adam(net.parameters(), 4e-3)
    lost = []
    for _ in range(25):
        out = split_parsing_outputs(net(given.stack_channels()))
        loss = torch.nn.functional.cross_entropy(out.layer, layer)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        lost.append(float(loss.detach()))
    assert lost[-1] < 0.4 * lost[0]


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
    with pytest.raises(ValueError, match="no body is drawn"):
        find_person_box(torch.zeros(20, 20, dtype=torch.uint8))


def test_parsing_is_what_the_network_says():
    parsing = split_parsing_outputs(torch.zeros(1, 18, 8, 8))
    assert isinstance(parsing, ParsingLogits)
