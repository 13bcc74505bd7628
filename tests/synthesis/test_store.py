"""Facts of the store of labelled pictures."""

from dataclasses import fields, replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.avatar.parsing_net import KIND_NAMES, LAYER_NAMES
from motion_imitate.synthesis.photo_damage import BatchRandom, PhotoDamage, encode_figures, make_parsing_samples
from motion_imitate.synthesis.shard_coding import MAP_GROUPS, LabelledPictures, pack_pictures, unpack_pictures
from motion_imitate.synthesis.stances import StanceSettings
from motion_imitate.synthesis.store import (
    PeopleSource,
    StoreSettings,
    read_people_shard,
    read_scene_shard,
    write_people_shard,
    write_scene_shard,
)

MAPS = {"colour"}.union(*MAP_GROUPS)
SETTINGS = StoreSettings((96, 72), 4, seed=5, lights=2, standing=StanceSettings(tried=6000))


@pytest.fixture(scope="module")
def source() -> PeopleSource:
    return PeopleSource(bodies.load_body(), SETTINGS)


@pytest.fixture(scope="module")
def pictures(source: PeopleSource) -> LabelledPictures:
    return source.render_person(3)


def test_the_same_seed_makes_the_same_bytes(source, tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    for folder, before in zip(folders, ((), (0,)), strict=True):
        folder.mkdir()
        for number in (*before, 1):  # what was made before must not matter: a resumed run gives the same
            write_people_shard(folder, source, number)
    first, second = ((folder / "people_000001.safetensors").read_bytes() for folder in folders)
    assert first == second


def test_raw_shards_hold_pictures_exactly(pictures):
    again = unpack_pictures(pack_pictures(pictures, "raw"))
    for name in ("colour", "alpha", "layer", "kind", "part", "u", "seen_part", "seen_depth", "points"):
        assert torch.equal(getattr(again, name), getattr(pictures, name))
    assert torch.equal(again.seen_body.pose, pictures.seen_body.pose)


def test_compressed_shards_hold_labels_exactly_and_colours_nearly(source, pictures, tmp_path):
    write_people_shard(tmp_path, source, 3)
    stored = read_people_shard(tmp_path / "people_000003.safetensors")
    for name in ("alpha", "layer", "kind", "part", "seen_part", "points"):
        assert torch.equal(getattr(stored, name), getattr(pictures, name))
    for name, most in (("u", 3), ("v", 3), ("seen_u", 3), ("seen_v", 3), ("seen_depth", 3), ("colour", 60)):
        off = (getattr(stored, name).int() - getattr(pictures, name).int()).abs()
        assert off.max() <= most
        assert off.float().mean() < 1.5
    assert_close(stored.seen_body.pose, pictures.seen_body.pose, rtol=0, atol=5e-4)
    assert (tmp_path / "people_000003.safetensors").stat().st_size < 13_000 * len(stored)


def test_large_pictures_keep_all_bits_of_surface_coordinates(pictures):
    large = replace(
        pictures,
        **{f.name: getattr(pictures, f.name).repeat_interleave(2, -2) for f in fields(pictures) if f.name in MAPS},
    )
    again = unpack_pictures(pack_pictures(large, "webp"))
    assert torch.equal(again.u, large.u)
    assert torch.equal(again.seen_depth, large.seen_depth)


def test_labels_agree_with_alpha_and_with_each_other(pictures):
    assert pictures.layer.max() < len(LAYER_NAMES)
    assert pictures.kind.max() < len(KIND_NAMES)
    assert torch.equal(pictures.layer > 0, pictures.kind > 0)
    assert (pictures.alpha[pictures.layer > 0] > 60).all()
    assert (pictures.layer[pictures.alpha == 255] > 0).all()
    assert ((pictures.layer > 0).flatten(1).sum(1) > 200).all()


def test_hair_is_hair_and_limbs_are_on_their_side(source):
    front = [source.render_person(k) for k in range(3)]
    for one in front:
        assert torch.equal(one.layer == LAYER_NAMES.index("hair"), one.kind == KIND_NAMES.index("hair"))
    both = torch.cat([p.layer.flatten() for p in front])
    assert {2, 3, 4, 5} <= set(both.unique().tolist())


def test_scenes_are_read_nearly_as_they_were_made(source, tmp_path):
    path = write_scene_shard(tmp_path, source, 0)
    off = (read_scene_shard(path).float() - source.render_scenes(0).float()).abs()
    assert off.mean() < 2


def test_flipping_swaps_sides(pictures):
    figures = encode_figures(pictures)
    scenes = torch.zeros(2, 3, 96, 72, dtype=torch.uint8)
    still = PhotoDamage(flip=0.0, turn=0.0, no_body=0.0, no_matte=0.0, edge=0.0, bar=0.0)
    straight, mirrored = (
        make_parsing_samples(
            figures, scenes, BatchRandom(torch.Generator().manual_seed(1), len(figures.alpha)), replace(still, flip=f)
        )
        for f in (0.0, 1.0)
    )
    swapped = torch.tensor([0, 1, 3, 2, 5, 4, 6, 7], dtype=torch.uint8)
    assert torch.equal(mirrored.layer, swapped[straight.layer.flip(-1).long()])
    assert torch.equal(mirrored.kind, straight.kind.flip(-1))
    arms = (straight.inputs.body_code == 8).sum(), (mirrored.inputs.body_code == 9).sum()
    assert arms[0] == arms[1]
    assert_close(mirrored.alpha, straight.alpha.flip(-1))


def test_samples_stay_in_range(pictures):
    figures = encode_figures(pictures)
    scenes = torch.randint(0, 256, (3, 3, 96, 72), dtype=torch.uint8)
    for seed in range(4):
        random = BatchRandom(torch.Generator().manual_seed(seed), len(figures.alpha))
        samples = make_parsing_samples(figures, scenes, random, PhotoDamage(edge=1.0, bar=0.5, crowd=1.0, clash=1.0))
        for values in (samples.inputs.colour, samples.inputs.matte, samples.alpha, samples.valid):
            assert values.isfinite().all()
            assert values.min() >= 0
            assert values.max() <= 1
        assert samples.inputs.stack_channels().isfinite().all()
