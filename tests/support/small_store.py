"""A store of labelled pictures in a second: one synthetic person, under several numbers."""

from motion_imitate.bodies import load_body
from motion_imitate.synthesis.store import (
    PeopleSource,
    StoreSettings,
    describe_store_settings,
    people_shard_path,
    write_people_shard,
    write_scene_shard,
)


def write_small_store(folder, people=5, views=2, size=(32, 32)):
    """The same person `people` times; every fifth is held out."""
    folder.mkdir()
    how = StoreSettings(size=size, views=views, lights=views)
    source = PeopleSource(load_body(), how)
    first = write_people_shard(folder, source, 0)
    for number in range(1, people):
        people_shard_path(folder, number).write_bytes(first.read_bytes())
    write_scene_shard(folder, source, 0)
    (folder / "settings.json").write_text(describe_store_settings(how))
    return folder
