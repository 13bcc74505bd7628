"""Facts of `motion-imitate synthesize`."""

from pathlib import Path

import pytest

from motion_imitate.synthesis.store import read_people_shard, read_scene_shard
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from pipelines.synthesize.people_store import parse_picture_size, write_people_store
from pipelines.synthesize.people_store_options import PeopleStoreOptions

SMALL = PeopleStoreOptions(people=1, views=1, scenes=1, size="64x48", seed=3)


def test_a_store_resumes_and_refuses_other_settings(tmp_path):
    write_people_store(tmp_path / "store", SMALL, Reporter(quiet=True))
    people, scenes = (tmp_path / "store" / f"{name}_000000.safetensors" for name in ("people", "scenes"))
    assert read_people_shard(people).colour.shape == (1, 3, 64, 48)
    assert read_scene_shard(scenes).shape == (50, 3, 64, 48)
    written = people.stat().st_mtime_ns
    write_people_store(tmp_path / "store", SMALL, Reporter(quiet=True))
    assert people.stat().st_mtime_ns == written
    with pytest.raises(UsageError, match="other settings"):
        write_people_store(
            tmp_path / "store", PeopleStoreOptions(people=1, views=2, size="64x48"), Reporter(quiet=True)
        )


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UsageError, match="not empty"):
        write_people_store(tmp_path, SMALL, Reporter(quiet=True))
    with pytest.raises(UsageError, match="--backgrounds"):
        write_people_store(tmp_path / "new", PeopleStoreOptions(backgrounds=Path()), Reporter(quiet=True))


@pytest.mark.parametrize("size", ["256", "256x", "250x192", "8x8", "axb"])
def test_sizes_that_are_refused(size):
    with pytest.raises(UsageError, match="256x192"):
        parse_picture_size(size)
