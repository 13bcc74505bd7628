"""What is said of the photos of a person."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from motion_imitate.person import AvatarAppearance, GeneratedAppearance
from motion_imitate.renderer_chain import BY_AVATAR, RendererChoice
from pipelines.output_path import UsageError
from pipelines.rendering import person
from pipelines.rendering.options import PersonOptions
from pipelines.reporter import Reporter
from tests.support import DATA
from tests.support.demo_person import demo_person
from tests.support.painted import painter

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


def test_the_face_is_drawn_by_drn_where_it_is_asked_for_and_the_rest_is_an_avatar(monkeypatch, capsys):
    made = demo_person()
    monkeypatch.setattr(person, "make_person_of_photos", lambda *_: made)
    assert person.load_person([PHOTO], 160, PersonOptions(), Reporter()).choice.face == "off"
    faced = person.load_person([PHOTO], 160, PersonOptions(face="drn"), Reporter())
    assert faced.choice.face == "drn"
    assert faced.appearance.faces is not None
    capsys.readouterr()
    made = replace(made, appearance=GeneratedAppearance(painter(), None), choice=RendererChoice("dense-pose", ("why",)))
    assert person.load_person([PHOTO], 160, PersonOptions(face="drn"), Reporter()) is made
    assert "--face drn is for avatars; dense-pose draws the face here" in capsys.readouterr().err


def test_a_face_for_networks_that_draw_their_own_is_refused():
    person.check_weights_option(PersonOptions(face="drn"))
    with pytest.raises(UsageError, match="for avatars; leave it out, or --renderer pg2"):
        person.check_weights_option(PersonOptions(face="drn", renderer="pg2"))
