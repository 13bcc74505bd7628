"""What the tests of commands share: a photo is prepared once per process of the tests."""

import hashlib

import pytest

from motion_imitate.generators import AUTO_RENDERER, AVATAR_RENDERER
from motion_imitate.portray import make_person, prepare_person


@pytest.fixture(scope="session", autouse=True)
def prepared_once():
    """A person is prepared once for photos of the same pixels; who prepares them again gets the same."""
    people, drawn = {}, {}

    def make_prepared(photos, seen, how, renderer, weights):
        tensors = [photos.image, *(one.points for one in seen)]
        key = hashlib.sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)).digest(), how
        if key not in people:
            people[key] = prepare_person(photos, seen, how)
        if weights is not None or renderer not in (AUTO_RENDERER, AVATAR_RENDERER):
            return make_person(*people[key], renderer, weights)
        if (key, renderer) not in drawn:
            drawn[key, renderer] = make_person(*people[key], renderer)
        return drawn[key, renderer]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.rendering.person.make_person_of_photos", make_prepared)
        yield
