"""A person in the clothes of another, who here is the same person dyed, so that the true picture is known."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from motion_imitate import dress
from motion_imitate.avatar.avatar import Avatar
from motion_imitate.avatar.garments import HEM_BINS, HEM_REACH, Hems, shoulder_heights
from motion_imitate.avatar.page_painter import PagePainter
from motion_imitate.avatar.parsing_net import KIND_NAMES
from motion_imitate.avatar.photo_layers import TRUNK
from motion_imitate.avatar.reshape import fit_joint_maps, reshape_avatar
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.dress import NoGarment, body_at_rest, missing_garments, skin_gain
from motion_imitate.imitate import render_motion
from motion_imitate.motion.turntable import turn_person
from motion_imitate.person import AvatarAppearance
from motion_imitate.types import cat_batched
from tests.support.demo_person import demo_person

HAIR, FACE, SKIN, UPPER, LOWER = (KIND_NAMES.index(name) for name in ("hair", "face", "skin", "upper", "lower"))
SEAM = 0.1  # of the person's pixels, that may differ at the borders of what is changed


@pytest.fixture(autouse=True)
def faster(unchecked_shapes):
    """Without checks of shapes."""


def with_avatar(person, **change):
    [avatar] = person.appearance.avatars
    return replace(person, appearance=AvatarAppearance((replace(avatar, **change),)))


@cache
def dyed_twin():
    """The person with red and blue exchanged."""
    [avatar] = demo_person().appearance.avatars
    order = [2, 1, 0]
    return with_avatar(
        demo_person(), photos=avatar.photos[..., [*order, 3]], kind_colours=avatar.kind_colours[:, order]
    )


def front(person):
    still = next(iter(turn_person(person.source.body, person.source.camera, (0.0,))))
    return cat_batched(list(render_motion(person, [still]))).data[0].float()


def kinds_in_photo():
    """The kind of each pixel of the photo where one layer alone is seen, else 0."""
    [avatar] = demo_person().appearance.avatars
    alpha = avatar.photos[: len(avatar.kinds), ..., 3]
    alone = (alpha > 250) & ((alpha > 0).sum(0) == 1)
    return (avatar.kinds * alone).amax(0)


@pytest.mark.parametrize("parts", [("upper", "lower", "shoes"), pytest.param(("upper",), marks=pytest.mark.slow)])
def test_own_clothes_change_little(parts):
    own, person = front(demo_person()), demo_person()
    again = with_avatar(person)
    [avatar] = dress(person, again, parts).appearance.avatars
    difference = (front(dress(person, again, parts)) - own).abs().amax(0)
    inside = person.source.matte[0, 0] > 0.5
    assert (difference[inside] > 30).float().mean() < 0.04
    assert (avatar.weights.sum(1) - 1).abs().max() < 1e-5
    check_consistent(avatar)


def check_consistent(avatar: Avatar):
    """Every index is in range, and what describes the same things has the same length."""
    count, pages = len(avatar.rest), len(avatar.photos)
    assert avatar.faces.max() < count
    assert avatar.faces.unique().numel() == count
    assert avatar.photo.max() < pages
    assert avatar.layer.max() < len(avatar.bias)
    assert len(avatar.faces) == len(avatar.photo) == len(avatar.layer) == len(avatar.thick) == len(avatar.solid)
    assert len(avatar.joints) == len(avatar.weights) == len(avatar.source) == count
    for faces in (avatar.contacts.faces, avatar.head.faces):
        assert (faces < len(avatar.faces)).all()
    for vertices in (avatar.contacts.other, avatar.contacts.vertices, avatar.flanks.vertices):
        assert (vertices < count).all()
    assert (avatar.contacts.photo < pages).all()
    assert avatar.head.photo < pages
    assert avatar.source.abs().max() < 1.2


@pytest.mark.parametrize(("parts", "dyed", "kept"), [(("upper",), UPPER, LOWER), (("lower",), LOWER, UPPER)])
def test_the_garments_are_the_others_and_the_rest_the_wearers(parts, dyed, kept):
    own, other = front(demo_person()), front(dyed_twin())
    shown, kinds = front(dress(demo_person(), dyed_twin(), parts)), kinds_in_photo()
    head = (kinds == FACE) | (kinds == KIND_NAMES.index("hair"))
    for where, expected in ((kinds == dyed, other), (kinds == kept, own), (head, own)):
        assert where.sum() > 200
        wrong = (shown - expected).abs().amax(0)[where] > 24
        assert wrong.float().mean() < SEAM


def test_bare_skin_has_the_wearers_colour():
    """The twin's hands are blue; they come with the sleeves."""
    own, shown = front(demo_person()), front(dress(demo_person(), dyed_twin(), ("upper",)))
    [avatar] = demo_person().appearance.avatars
    hands = (avatar.kinds[1] == SKIN) & (avatar.photos[1, ..., 3] > 240)
    assert hands.sum() > 100
    assert ((shown - own).abs().amax(0)[hands] < 60).float().mean() > 0.8


def test_what_the_photo_does_not_show_stays_or_is_refused():
    [avatar] = demo_person().appearance.avatars
    kinds = torch.where(avatar.kinds == KIND_NAMES.index("shoes"), SKIN, avatar.kinds)
    barefoot = with_avatar(demo_person(), kinds=kinds.to(torch.uint8))
    assert missing_garments(barefoot) == ["shoes"]
    with pytest.raises(NoGarment, match="the photo of the clothes shows no shoes"):
        dress(demo_person(), barefoot, ("shoes",))
    dressed = dress(demo_person(), {"upper": dyed_twin(), "lower": barefoot})
    with pytest.raises(NoGarment, match="give all clothes at once"):
        dress(dressed, dyed_twin())


def test_an_avatar_follows_the_skin_of_another_body():
    model, shape = body_at_rest(demo_person())
    wide = shape.clone()
    wide[:, 1] += 2
    [avatar] = demo_person().appearance.avatars
    moved = reshape_avatar(avatar, (model, shape), (model, wide))
    before, after = (rest_shape(model.skin, each)[0][0] for each in (shape, wide))
    nearest = torch.cdist(avatar.rest[::20], before).argmin(1)
    expected = avatar.rest[::20] + after[nearest] - before[nearest]
    stayed = (avatar.rest[::20] - expected).norm(dim=1).mean()
    assert (moved.rest[::20] - expected).norm(dim=1).mean() < 0.5 * stayed
    same = fit_joint_maps((model, shape), (model, shape))
    assert torch.allclose(same, torch.eye(3, 4).expand_as(same), atol=1e-4)


def test_no_print_is_repeated_where_hair_was():
    """A plain shirt with a red print, hair beside it."""
    [avatar] = demo_person().appearance.avatars
    colour = (avatar.kind_colours[UPPER] * 255).to(torch.uint8)
    photos, kinds = avatar.photos.clone(), avatar.kinds.clone()
    shirt = (kinds[0] == UPPER) & (photos[0, ..., 3] > 250)
    photos[0][shirt, :3] = colour
    rows, columns = shirt.nonzero().T
    middle = int(rows.float().mean()), int(columns.float().mean())
    size = (rows.max() - rows.min()) // 8
    high = slice(middle[0] - size, middle[0] + size)
    printed, hair = (high, slice(middle[1] - size, middle[1])), (high, slice(middle[1], middle[1] + size))
    photos[0][(*printed, slice(0, 3))], photos[0][(*hair, slice(0, 3))] = torch.tensor([250, 0, 0]).byte(), 20
    kinds[0][hair] = HAIR
    whole = replace(avatar, photos=photos, kinds=kinds)
    painter = PagePainter(whole, whole.layer)
    painter.repaint((TRUNK,), (HAIR,), (UPPER,))
    inside = painter.photos[0][hair][4:-4, 4:-4, :3].float()
    assert (inside - colour).abs().max() < 12


def test_a_hem_goes_evenly_from_strip_to_strip():
    waist = torch.full((HEM_BINS,), torch.inf)
    waist[10], waist[12] = 0.1, 0.2
    places = ((torch.tensor([2.0, 10.0, 11.0, 12.0, 20.0]) + 0.5) / HEM_BINS * 2 - 1) * HEM_REACH
    assert torch.allclose(Hems(waist=waist).waist_at(places), torch.tensor([0.1, 0.1, 0.15, 0.2, 0.2]), atol=1e-5)
    assert Hems().waist_at(places).isinf().all()


def test_shoulders_are_below_the_head_and_fall_to_the_sides():
    body = body_at_rest(demo_person())
    heights = shoulder_heights(body)
    middle = HEM_BINS // 2
    top = rest_shape(body[0].skin, body[1])[0][0, :, 1].max()
    assert top - 0.4 < heights[middle] < top - 0.15
    near, far = heights[[middle - 5, middle + 4]], heights[[middle - 9, middle + 8]]
    assert (far < near).all()
    assert (heights - heights.flip(0)).abs()[near.isfinite().all() & heights.isfinite()].max() < 0.05


def test_skin_takes_the_mean_colour_of_face_and_hands():
    [avatar] = demo_person().appearance.avatars
    one, other = (replace(avatar, kind_colours=avatar.kind_colours.clone()) for _ in range(2))
    one.kind_colours[FACE], one.kind_colours[SKIN] = 0.8, 0.2
    other.kind_colours[SKIN] = 0.5
    assert torch.allclose(skin_gain(one, other), torch.full((3,), 0.8))
    one.kind_colours[SKIN] = torch.nan
    assert torch.allclose(skin_gain(one, other), torch.full((3,), 1.6))
    assert torch.equal(skin_gain(one, one), torch.ones(3))
    other.kind_colours[[FACE, SKIN]] = torch.nan
    assert torch.equal(skin_gain(one, other), torch.ones(3))
