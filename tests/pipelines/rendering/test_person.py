"""What is said of the photos of a person."""

from types import SimpleNamespace

import pytest

from pipelines.rendering import person
from pipelines.rendering.options import PersonOptions
from pipelines.reporter import Reporter
from tests.support import DATA

PHOTO = DATA / "one_person.jpg"


@pytest.mark.parametrize(
    ("count", "renderer", "said"), [(1, "avatar", False), (2, "avatar", True), (2, "geometric", False)]
)
def test_an_avatar_of_several_photos_says_that_it_uses_one(monkeypatch, capsys, count, renderer, said):
    monkeypatch.setattr(person, "prepare_person", lambda photos, seen: (len(photos.image), len(seen)))
    monkeypatch.setattr(person, "make_person", lambda *given: SimpleNamespace(appearance=given))
    found = person.load_person([PHOTO] * count, 160, PersonOptions(renderer=renderer), Reporter()).appearance
    assert found == (count, count, renderer, None)
    assert (f"uses only {PHOTO}; --renderer geometric uses all" in capsys.readouterr().err) == said
