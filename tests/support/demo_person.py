"""The person of the demo photo, prepared once per process at a size at which that is fast."""

from functools import cache
from pathlib import Path

from motion_imitate.weights import find_asset

DEMO_SIZE = 640


@cache
def demo_person():
    from motion_imitate.photos.people import find_people, load_photos  # tests that a GPU runs lack the packages
    from tests.support.prepared import avatars_made_once, person_once

    path = Path(find_asset("demo/photo.jpg"))
    photos = load_photos([path], DEMO_SIZE)
    seen = find_people(photos.image[0], str(path), "largest")
    with avatars_made_once():
        return person_once(photos, seen[:1], renderer="avatar")
