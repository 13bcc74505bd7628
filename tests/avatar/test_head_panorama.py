"""A head's panorama keeps what the photo shows, mirrors it to the other half, and has hair on the back."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from motion_imitate.avatar.hair_pattern import repeat_along_rows
from motion_imitate.avatar.head_panorama import (
    UNKNOWN,
    HeadView,
    complete_panorama,
    find_symmetry,
    meet_at_crown,
    plain_symmetry,
    unroll_head,
)
from motion_imitate.avatar.photo_layers import FACE, HAIR, SKIN

SIZE = ROWS, COLUMNS = 80, 160
HAIR_COLOUR, FACE_COLOUR = (np.array(c, np.float32) for c in ((0.2, 0.1, 0.05), (0.9, 0.7, 0.6)))


@pytest.fixture
def view():
    """A face with hair above and neck below, of which columns 56 to 120 are seen: more of the right half."""
    kind = np.full(SIZE, UNKNOWN)
    kind[:30], kind[30:60], kind[60:] = HAIR, FACE, SKIN
    colour = np.where((kind == HAIR)[..., None], HAIR_COLOUR, FACE_COLOUR).astype(np.float32)
    colour[40:50, 108:116] = (0.1, 0.2, 0.9)  # a mark on the right cheek
    seen = np.zeros(SIZE, bool)
    seen[:, 56:120] = True
    return HeadView(colour, seen.astype(np.float32), np.where(seen, kind, UNKNOWN))


def complete(view, long_hair=False, hair=HAIR_COLOUR):
    return complete_panorama(view, plain_symmetry(SIZE), hair, long_hair)


def test_what_is_well_seen_stays(view):
    seen = view.weight > 0
    np.testing.assert_allclose(complete(view)[seen], view.colour[seen], atol=1e-3)


def test_the_hidden_half_is_the_mirror_image_of_the_other(view):
    whole = complete(view)
    left, right = whole[35:58, 45:55], whole[35:58, COLUMNS - 55 : COLUMNS - 45][:, ::-1]
    np.testing.assert_allclose(left, right, atol=0.05)
    assert whole[45, COLUMNS - 1 - 112, 2] > 0.7  # the mark on the left cheek


def test_the_back_of_the_head_is_hair_down_to_the_nape(view):
    back = complete(view)[:, np.r_[0:20, COLUMNS - 20 : COLUMNS]]
    np.testing.assert_allclose(back[:40], np.broadcast_to(HAIR_COLOUR, back[:40].shape), atol=0.06)
    np.testing.assert_allclose(back[70:], np.broadcast_to(FACE_COLOUR, back[70:].shape), atol=0.1)


def test_long_hair_covers_the_neck_from_behind(view):
    back = complete(view, long_hair=True)[:, np.r_[0:20, COLUMNS - 20 : COLUMNS]]
    np.testing.assert_allclose(back, np.broadcast_to(HAIR_COLOUR, back.shape), atol=0.06)


def test_a_bald_head_is_skin_all_round(view):
    bald = replace(
        view, kind=np.where(view.kind == HAIR, FACE, view.kind), colour=np.broadcast_to(FACE_COLOUR, (*SIZE, 3))
    )
    whole = complete(replace(bald, colour=np.ascontiguousarray(bald.colour)), hair=None)
    np.testing.assert_allclose(whole, np.broadcast_to(FACE_COLOUR, whole.shape), atol=0.02)


def test_the_panorama_has_no_seam_at_the_back(view):
    whole = complete(replace(view, colour=view.colour + np.linspace(0, 0.2, COLUMNS, dtype=np.float32)[:, None]))
    assert np.abs(whole[:, 0] - whole[:, -1]).max() < 0.02


def test_columns_meet_at_the_crown_in_one_colour_but_for_strands():
    strands = np.where(np.arange(COLUMNS) % 4 < 2, 0.1, -0.1).astype(np.float32)
    parting = (0.4 * np.exp(-(((np.arange(COLUMNS) - COLUMNS / 2) / 12) ** 2))).astype(np.float32)
    colours = np.broadcast_to((0.4 + strands + parting)[None, :, None], (*SIZE, 3)).astype(np.float32)
    met = meet_at_crown(colours, np.zeros(SIZE, np.float32))
    top = met[0, :, 0].reshape(-1, 4)
    assert np.ptp(top.mean(1)) < 0.5 * np.ptp(colours[0, :, 0].reshape(-1, 4).mean(1))
    assert np.ptp(top, 1).min() > 0.15
    np.testing.assert_allclose(met[ROWS // 2 :], colours[ROWS // 2 :], atol=1e-3)
    np.testing.assert_allclose(meet_at_crown(colours, np.ones(SIZE, np.float32)), colours, atol=1e-6)


def test_rows_repeat_what_is_known_back_and_forth():
    known = np.zeros(SIZE, bool)
    known[:, 60:100] = True
    coordinates, strength = repeat_along_rows(known)
    assert coordinates[..., 0].min() >= 60
    assert coordinates[..., 0].max() <= 99
    np.testing.assert_allclose(coordinates[40, 70], (70, 40))
    assert strength.min() > 0.9


def test_faces_unroll_about_the_vertical_axis():
    ahead, behind, crown = (
        np.array(corners, float)
        for corners in (
            [[-0.01, 0, 0.1], [0.01, 0, 0.1], [0, 0.01, 0.1]],
            [[-0.01, 0, -0.1], [0.01, 0, -0.1], [0, 0.01, -0.1]],
            [[-0.01, 0.1, -0.01], [0.02, 0.1, 0], [-0.01, 0.1, 0.01]],
        )
    )
    below = ahead - np.array([0, 0.1, 0.1])
    mapped = unroll_head(np.stack([ahead, behind, crown, below]), 1000.0, (200, 400))
    assert mapped.whole.tolist() == [True, True, False, False]
    columns = mapped.size[1]
    assert abs(mapped.corners[0, :, 0].mean() - columns / 2) < 2
    assert np.ptp(mapped.corners[1, :, 0]) < columns / 8
    assert mapped.corners[2, :, 1].max() < mapped.corners[0, :, 1].min()
    assert np.ptp(mapped.corners[2, :, 0]) == 0  # not across the whole panorama


@pytest.mark.parametrize("shift", [0, 4, -5])
def test_a_face_that_is_askew_is_mirrored_about_its_own_middle(shift):
    half = cv2.GaussianBlur(np.random.default_rng(0).random((ROWS, COLUMNS // 2, 3), np.float32), (0, 0), 3) * 4 - 1.5
    face = np.roll(np.concatenate([half, half[:, ::-1]], 1), shift, 1)
    weight = np.zeros(SIZE, np.float32)
    weight[:, 40:120] = 1
    symmetry = find_symmetry(HeadView(face, weight, np.full(SIZE, FACE)))
    np.testing.assert_allclose(symmetry[0], (-1, 0, COLUMNS - 1 + 2 * shift), atol=0.3)


def test_a_face_without_an_other_half_is_mirrored_about_the_middle(view):
    one_side = np.where(np.arange(COLUMNS) > 90, view.weight, 0).astype(np.float32)
    np.testing.assert_array_equal(find_symmetry(replace(view, weight=one_side)), plain_symmetry(SIZE))
