"""What is said of the photos of a person."""

from dataclasses import replace
from types import SimpleNamespace

from motion_imitate.person import AvatarAppearance
from motion_imitate.renderer_chain import BY_AVATAR, RendererChoice
from pipelines.rendering import person
from pipelines.rendering.options import PersonOptions
from pipelines.reporter import Reporter
from tests.support import DATA
from tests.support.demo_person import demo_person

PHOTO = DATA / "one_person.jpg"


def test_every_photo_is_used_and_its_faults_are_said(monkeypatch, capsys, tmp_path):
    (avatar,) = demo_person().appearance.avatars
    avatars = (avatar, replace(avatar, faults=("a hand is hidden",)))
    looks = SimpleNamespace(appearance=AvatarAppearance(avatars), choice=BY_AVATAR)
    given = []

    def make(photos, seen, how, *rest):
        given.append((len(photos.image), len(seen), *rest))
        return looks

    monkeypatch.setattr(person, "make_person_of_photos", make)
    other = tmp_path / "other.jpg"
    other.write_bytes(PHOTO.read_bytes())
    person.load_person([PHOTO, other], 160, PersonOptions(), Reporter())
    assert given == [(2, 2, "auto", None)]
    assert f"{other}: a hand is hidden" in capsys.readouterr().err
    looks.choice = RendererChoice("avatar", ("not used", ""))
    looks.appearance = AvatarAppearance(avatars[1:])
    person.load_person([PHOTO, other], 160, PersonOptions(), Reporter())
    said = capsys.readouterr().err
    assert f"{PHOTO}: not used" in said
    assert f"{other}: a hand is hidden" in said
