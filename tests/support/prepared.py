"""People and avatars that are made once per process: whoever makes them again of the same photo gets the same."""

import hashlib
from contextlib import contextmanager
from importlib import import_module

import pytest

from motion_imitate import person

portray = import_module("motion_imitate.portray")  # the package has a function of that name
find_people, make_avatars, prepare_person = portray.find_people, person.make_avatars, portray.prepare_person
SEEN, PEOPLE, AVATARS = {}, {}, {}


def digest(*tensors):
    return hashlib.sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)).digest()


def people_once(image, name, who="largest"):
    """In the place of `find_people`."""
    key = digest(image), who
    if key not in SEEN:
        SEEN[key] = find_people(image, name, who)
    return SEEN[key]


def avatars_once(source, model):
    """In the place of `make_avatars`, which does not look at the background."""
    given = source.image, source.matte, source.body.pose, source.body.shape, source.camera.place, source.camera.focal
    key = digest(*given), id(model)
    if key not in AVATARS:
        AVATARS[key] = model, make_avatars(source, model)
    return AVATARS[key][1]


def person_once(photos, seen, how=portray.PrepareSettings(), renderer=portray.AUTO_RENDERER, weights=None):
    """In the place of `make_person_of_photos`."""
    key = digest(photos.image, photos.alpha, *(one.points for one in seen)), how
    if key not in PEOPLE:
        PEOPLE[key] = prepare_person(photos, seen, how)
    return portray.make_person(*PEOPLE[key], renderer, weights)


@contextmanager
def avatars_made_once():
    """Whoever makes avatars in this block gets those of before."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (person, portray):
            patch.setattr(module, "make_avatars", avatars_once)
        yield patch
