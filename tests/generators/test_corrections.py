"""Corrections: none where nothing moved against the photo, and what the networks say where something did."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate.generators.corrections import (
    CorrectionNetworks,
    CorrectionSettings,
    PersonCrop,
    apply_corrections,
    changed_map,
    crop_person,
    relative_motion_map,
    square_around_matte,
)
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES
from motion_imitate.generators.load import load_correction_networks, load_liquid_warping_generator
from motion_imitate.geometry.view import template_face_positions
from motion_imitate.types import Draft
from motion_imitate.weights import find_asset, write_weights
from tests.support.painted import MODEL, source, standing

HOW = CorrectionSettings(size=64)
SIZE = (80, 48)


def small_networks(learnt=0.0):
    torch.manual_seed(0)
    shape = NETWORK_SHAPES["corrections"]
    narrow = (replace(part, width=2, blocks=2) for part in (shape.source, shape.target))
    networks = CorrectionNetworks(replace(shape, **dict(zip(("source", "target"), narrow, strict=True))), HOW).eval()
    if learnt:
        torch.nn.init.normal_(networks.target.glass.head.weight, std=learnt)
    return networks


def draft_of_body(count=1, size=(0.8, 1.1), start=(0.1, -0.2)):
    """An ellipse that shows the photo, scaled and shifted."""
    rows, columns = (torch.linspace(-1, 1, 2 * side + 1)[1::2] for side in SIZE)
    at = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
    body = ((at / torch.tensor([0.6, 0.9])).square().sum(-1) < 1).float().expand(count, 1, *SIZE)
    flow = ((at - torch.tensor(start)) / torch.tensor(size)).expand(count, -1, -1, -1)
    random = torch.rand(count, 6, *SIZE, generator=torch.Generator().manual_seed(1)) * body
    return Draft(random[:, :3], body, torch.where(body[:, 0, ..., None] > 0, flow, -2.0), body, random[:, 3:])


def crop(count=1):
    picture = torch.rand(count, 7, 64, 64, generator=torch.Generator().manual_seed(2))
    return PersonCrop(picture, torch.tensor([0.0, 0.0, 0.9, 0.9]).expand(count, -1))


def raised(draft):
    """The same, whose upper part has moved against the photo."""
    flow = draft.flow.clone()
    flow[:, :24, :, 1] += 0.2 * (draft.cover[:, 0, :24] > 0)
    return replace(draft, flow=flow)


def test_untrained_networks_change_nothing():
    with torch.no_grad():
        assert not CorrectionNetworks()(crop(), raised(draft_of_body())).any()


def test_a_person_who_only_moved_as_a_whole_is_not_corrected_whatever_the_networks_say():
    with torch.no_grad():
        assert not small_networks(0.5)(crop(), draft_of_body()).any()


def test_what_moved_is_corrected_and_nothing_else():
    draft = raised(draft_of_body())
    motion, changed = relative_motion_map(draft, HOW), changed_map(draft, HOW)
    body = draft.cover[0, 0] > 0
    upper, lower = (torch.zeros(SIZE, dtype=torch.bool) for _ in range(2))
    upper[: 24 - HOW.reach], lower[24 + HOW.reach + 1 :] = True, True
    for found in (motion[0, 0], changed[0, 0]):
        assert found[body & upper].min() > 0.99
        assert found[body & lower].max() == 0
    with torch.no_grad():
        said = small_networks(0.5)(crop(), draft)[0].abs().amax(0)
    assert said[body & upper].mean() > 0.05
    assert not said[lower].any()
    assert not said[:, 0].any()  # far from the person


def test_what_the_photo_does_not_show_is_corrected_though_it_did_not_move():
    draft = draft_of_body()
    seen = draft.seen.clone()
    seen[..., :20] = 0
    changed = changed_map(replace(draft, seen=seen), HOW)[0, 0]
    body = draft.cover[0, 0] > 0
    assert changed[:, : 20 - HOW.reach][body[:, : 20 - HOW.reach]].min() > 0.99
    assert changed[:, 20 + HOW.reach :][body[:, 20 + HOW.reach :]].max() == 0


def test_a_mirrored_person_has_moved():
    draft = draft_of_body(start=(0.0, 0.0))
    mirrored = replace(draft, flow=draft.flow.flip(2))
    assert relative_motion_map(mirrored, HOW)[draft.cover > 0].mean() > 0.8


def test_each_person_and_each_view_is_corrected_alone():
    networks = small_networks(0.2)
    people, one = crop(2), raised(draft_of_body(1))
    drafts = Draft(*(torch.cat([getattr(one, f), getattr(one, f).flip(2)] * 2) for f in vars(one)))
    with torch.no_grad():
        together = networks(people, drafts)
        for k in range(4):
            alone = networks(people[k // 2 : k // 2 + 1], drafts[k : k + 1])
            assert_close(together[k : k + 1], alone, rtol=0, atol=1e-5)
    assert not torch.allclose(together[0], together[2])


def test_gradients_reach_every_weight():
    networks = small_networks(0.05)
    draft = raised(draft_of_body(2))
    apply_corrections(draft, networks(crop(), draft)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in networks.parameters())


def test_colours_stay_between_nothing_and_the_cover():
    draft = draft_of_body()
    assert torch.equal(apply_corrections(draft, torch.zeros(1, 4, *SIZE)), torch.cat([draft.colour, draft.cover], 1))
    made = apply_corrections(draft, torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(0)))
    assert 0 <= made.min() <= made.max() <= 1
    assert (made[:, :3] <= made[:, 3:]).all()
    darker = apply_corrections(draft, torch.full((1, 4, *SIZE), -0.1))
    assert_close(darker[:, 3:], (draft.cover - 0.1).clamp(min=0))


def test_the_square_that_is_looked_at_holds_the_person():
    looked = crop_person(source(standing(), size=(192, 128)), template_face_positions(MODEL), HOW)
    assert looked.picture.shape == (1, 7, 64, 64)
    rows = (looked.picture[:, 3] > 0.5).any(2)
    assert rows.float().mean() == pytest.approx(1 / (1 + 2 * HOW.margin), abs=0.05)
    on = looked.picture[0, 3] > 0.99
    assert (looked.picture[0, 4:, on].abs().sum(0) > 0).float().mean() > 0.95
    assert square_around_matte(torch.zeros(8, 6), 0.1).tolist() == [0, 0, 1, 1]


def test_the_networks_are_small_and_read_back_as_written(tmp_path):
    networks = CorrectionNetworks()
    tensors = {name: value.half() for name, value in networks.state_dict().items()}
    assert sum(value.numel() for value in tensors.values()) < 4_000_000
    file = tmp_path / "weights.safetensors"
    write_weights(file, {"shape": "corrections"}, tensors)
    assert file.stat().st_size < 8_000_000
    for name, value in load_correction_networks(file).state_dict().items():
        assert torch.equal(value, tensors[name].float())
    with pytest.raises(ValueError, match="--renderer corrections"):
        load_liquid_warping_generator(MODEL, file)


def test_other_weights_and_none_are_refused():
    with pytest.raises(ValueError, match="train them with `motion-imitate train liquid-warping`, or give --weights"):
        load_liquid_warping_generator(MODEL)
    with pytest.raises(ValueError, match="does not say which networks it holds"):
        load_correction_networks(find_asset("human_parsing.safetensors"))
