"""Pairs from a store are two views of one person, drawn again from the same seed; sources look like photos."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from motion_imitate.synthesis.photo_damage import PhotoDamage
from motion_imitate.synthesis.shard_coding import LabelledPictures
from motion_imitate.training import decoded_store
from motion_imitate.training.decoded_store import DECODED_FOLDER, open_decoded_store
from motion_imitate.training.store_pairs import PairSettings, StorePairs
from motion_imitate.types import Body, Camera
from tests.support.oval_store import oval_store

PEOPLE, VIEWS = 6, 4
EVERYBODY = torch.arange(PEOPLE)


def draw(pairs, count=64, seed=0):
    return pairs.draw(torch.Generator().manual_seed(seed), count)


def view_numbers(views, store):
    """Which picture of the store each view is, by its points, which are all different."""
    apart = (views.points[:, None, 0] - store.arrays["points"][None, :, 0]).abs().sum(-1)
    assert apart.amin(1).max() == 0
    return apart.argmin(1)


def test_a_pair_is_two_views_of_one_person_and_every_view_is_drawn():
    store = oval_store(PEOPLE, VIEWS)
    batch = draw(StorePairs(store, EVERYBODY), 400)
    first, second = (view_numbers(views, store) for views in (batch.source, batch.target))
    assert (first // VIEWS == second // VIEWS).all()
    assert (first != second).all()
    assert set(first.tolist()) == set(second.tolist()) == set(range(PEOPLE * VIEWS))


@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_pairs_share_the_light_as_often_as_asked(alike):
    store = oval_store(PEOPLE, VIEWS + 1, lights=2)  # the last view has a light of its own
    batch = draw(StorePairs(store, EVERYBODY, how=PairSettings(alike=alike)), 400)
    first, second = (view_numbers(views, store) % (VIEWS + 1) for views in (batch.source, batch.target))
    same = (first // 2 == second // 2)[first < VIEWS]
    assert same.float().mean() == 1 if alike else 0 < same.float().mean() < 0.4


def test_the_same_seed_draws_the_same_batch_and_another_seed_another():
    pairs = StorePairs(oval_store(), EVERYBODY)
    one, again, other = (draw(pairs, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(one.source.picture, again.source.picture)
    assert torch.equal(one.target.colour, again.target.colour)
    assert not torch.equal(one.source.picture, other.source.picture)


def test_both_views_stand_in_front_of_one_scene_and_the_target_is_exact():
    store = oval_store()
    kind = PhotoDamage(blur=0.0, sharp=0.0, noise=0.0, jpeg=0.0)
    how = PairSettings(damage=kind, matte_blur=(1e-3, 2e-3), matte_offset=0.0, keypoint_error=0.0)
    batch = draw(StorePairs(store, EVERYBODY, how=how))
    assert torch.equal(batch.source.background, batch.target.background)
    for views in (batch.source, batch.target):
        assert_close(views.picture, views.colour + (1 - views.alpha) * views.background)
        assert torch.equal(views.found_points, views.points)
    number = view_numbers(batch.target, store)
    assert torch.equal((batch.target.colour * 255).round().to(torch.uint8), store.arrays["colour"][number])
    assert torch.equal(batch.target.surface[:, 1], store.arrays["u"][number])
    assert torch.equal(batch.target.matte, batch.target.alpha)


def test_sources_have_the_errors_of_photos_and_estimators():
    batch = draw(StorePairs(oval_store(), EVERYBODY))
    source = batch.source
    clean = source.colour + (1 - source.alpha) * source.background
    assert 0.002 < (source.picture - clean).abs().mean() < 0.1
    assert 0.002 < (source.matte - source.alpha).abs().mean() < 0.1
    assert ((source.matte > 0.5) == (source.alpha > 0.5)).float().mean() > 0.95
    off = (source.found_points - source.points).abs()
    assert 0.001 < off.mean() < 0.02
    for part in (source.picture, source.matte):
        assert 0 <= part.min() <= part.max() <= 1


def pictures_of_person(store, person):
    """What the shard of a person holds; what is not decoded is empty."""
    rows = {name: array[person * VIEWS : (person + 1) * VIEWS] for name, array in store.arrays.items()}
    body = Body(*(rows[f"body.{k}"] for k in ("pose", "shape")))
    camera = Camera(*(rows[f"camera.{k}"] for k in ("focal", "centre", "place")))
    empty = torch.zeros_like(rows["alpha"])
    known = {f.name: rows.get(f.name, empty) for f in fields(LabelledPictures)}
    both = {"body": body, "camera": camera, "seen_body": body, "seen_camera": camera}
    return LabelledPictures(**known | both | {"person": torch.full((VIEWS,), person)})


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A folder of shards of ovals, and what they hold."""
    store = oval_store(PEOPLE, VIEWS)
    (tmp_path / "settings.json").write_text('{"views": 4, "lights": 2}')
    for person in range(PEOPLE):
        (tmp_path / f"people_{person:06d}.safetensors").write_bytes(b"x" * person)
    (tmp_path / "scenes_000000.safetensors").touch()
    reads = []

    def read_people(path):
        reads.append(path.name)
        return pictures_of_person(store, int(path.stem[-6:]))

    monkeypatch.setattr(decoded_store, "read_people_shard", read_people)
    monkeypatch.setattr(decoded_store, "read_scene_shard", lambda path: store.arrays["scenes"])
    return tmp_path, store, reads


def test_a_store_is_decoded_once_and_again_when_its_files_change(stored):
    folder, store, reads = stored
    for _ in range(2):
        decoded = open_decoded_store(folder)
        assert (decoded.people, decoded.size, decoded.lights) == (PEOPLE, store.size, 2)
        assert decoded.arrays.keys() == store.arrays.keys()
        assert all(torch.equal(decoded.arrays[name], array) for name, array in store.arrays.items())
        assert len(reads) == PEOPLE
    (folder / "people_000000.safetensors").write_bytes(b"more")
    open_decoded_store(folder)
    assert len(reads) == 2 * PEOPLE
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [DECODED_FOLDER]


def test_decoding_that_fails_leaves_nothing(stored, monkeypatch):
    folder, *_ = stored
    monkeypatch.setattr(decoded_store, "read_scene_shard", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_decoded_store(folder)
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_held_out_people_are_never_trained_on(stored):
    folder, *_ = stored
    learn, held = (StorePairs.select(open_decoded_store(folder), split).people.tolist() for split in ("learn", "held"))
    assert (learn, held) == ([0, 1, 2, 3, 5], [4])


def test_arrays_are_mapped_and_not_read(stored):
    folder, *_ = stored
    open_decoded_store(folder)
    assert isinstance(np.load(folder / DECODED_FOLDER / "colour.npy", mmap_mode="c"), np.memmap)


def test_what_is_no_store_is_refused(tmp_path, stored):
    with pytest.raises(FileNotFoundError, match="make one with `motion-imitate synthesize`"):
        open_decoded_store(tmp_path / "none")
    folder, store, _ = stored
    (folder / "scenes_000000.safetensors").unlink()
    with pytest.raises(ValueError, match="holds no scenes"):
        open_decoded_store(folder)
    with pytest.raises(ValueError, match="two --views or more"):
        StorePairs(replace(store, views=1), EVERYBODY)
