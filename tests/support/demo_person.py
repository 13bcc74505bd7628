"""The person of the demo photo, prepared once per process at a size at which that is fast."""

from functools import cache
from pathlib import Path

from motion_imitate.weights import find_asset


@cache
def demo_person():
    from motion_imitate.photos.people import find_people, load_photos  # tests that a GPU runs lack the packages
    from motion_imitate.portray import make_person, prepare_person

    path = Path(find_asset("demo/photo.jpg"))
    photos = load_photos([path], 640)
    seen = find_people(photos.image[0], str(path), "largest")
    return make_person(*prepare_person(photos, seen[:1]), "avatar")
