"""What the tests of commands share: a photo is prepared once per process of the tests."""

import pytest

from pipelines.rendering import person
from tests.support.prepared import avatars_made_once, people_once, person_once, portray


@pytest.fixture(scope="module", autouse=True)
def prepared_once():
    """A person is prepared once for photos of the same pixels; who prepares them again gets the same."""
    with avatars_made_once() as patch:
        for module in (person, portray):
            patch.setattr(module, "find_people", people_once)
            patch.setattr(module, "make_person_of_photos", person_once)
        yield
