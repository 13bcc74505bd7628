"""What the person hides comes back from where it was seen; what they do not hide is not touched."""

import cv2
import numpy as np
import pytest
import torch

from motion_imitate.background.plate import build_clean_plate, full_frame_masks
from motion_imitate.types import Frames, Sighting

SIZE = (180, 240)
COUNT = 24


def texture(size, seed=0):
    """Soft and sharp things of all sizes."""
    random = np.random.default_rng(seed)
    image = np.zeros((*size, 3), np.float32)
    for cell in (48, 16, 6):
        rough = random.random((size[0] // cell + 2, size[1] // cell + 2, 3)).astype(np.float32)
        image += cv2.resize(rough, size[::-1], interpolation=cv2.INTER_CUBIC) * 80
    for _ in range(size[0] * size[1] // 1500):
        at = tuple(int(v) for v in random.integers(0, size[::-1]))
        cv2.circle(image, at, int(random.integers(2, 7)), [float(c) for c in random.integers(0, 256, 3)], -1)
    return cv2.GaussianBlur(image, (0, 0), 0.7).clip(0, 255).astype(np.uint8)


def person(t, size=SIZE):
    """[H, W], 1 inside, for somebody who walks from left to right."""
    y, x = np.mgrid[: size[0], : size[1]]
    across = 50 + 6 * t
    return ((np.abs(x - across) / 18) ** 4 + (np.abs(y - 100) / 55) ** 4 < 1).astype(np.uint8)


def clip(truths):
    """Frames with somebody in them, and masks at half the size."""
    frames, masks = [], []
    for t, truth in enumerate(truths):
        stripes = np.uint8([[[230, 30, 30]], [[20, 20, 230]]])[np.arange(SIZE[0]) // 6 % 2]
        frames.append(np.where(person(t)[..., None] > 0, stripes, truth))
        masks.append(cv2.resize(person(t) * 255, (SIZE[1] // 2, SIZE[0] // 2), interpolation=cv2.INTER_AREA))
    data = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    return Frames(data, torch.arange(len(truths), dtype=torch.float64) / 25), torch.from_numpy(np.stack(masks))


def decibels(out, truths):
    """Only where somebody was."""
    there = np.stack([person(t) for t in range(len(truths))]) > 0
    off = out.data.permute(0, 2, 3, 1).numpy()[there].astype(float) - np.stack(truths)[there]
    return -10 * np.log10(np.square(off / 255).mean())


def still():
    random = np.random.default_rng(1)
    base = texture(SIZE)
    return [(base + random.normal(0, 1.5, base.shape)).clip(0, 255).astype(np.uint8) for _ in range(COUNT)]


def panning():
    """A camera that turns, nears and tilts a little before a large picture."""
    world = texture((500, 700))
    out = []
    for t in range(COUNT):
        zoom, turn = 1 + 0.012 * t, np.deg2rad(0.2 * t)
        away = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        plane = np.eye(3)
        plane[:2, :2] = np.linalg.inv(away)
        plane[:2, 2] = [150 + 5 * t, 120 + 2 * t]
        plane[2, 0] = 1e-5 * t
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out.append(cv2.warpPerspective(world, plane, SIZE[::-1], flags=flags))
    return out


def drifting(pictures):
    """Darker, and then lighter than at first, and of another colour."""
    gains = [1 - 0.25 * np.sin(t / 4) * np.array([1, 0.9, 0.7]) for t in range(len(pictures))]
    return [(p * 0.8 * g).clip(0, 255).astype(np.uint8) for p, g in zip(pictures, gains, strict=True)]


SCENES = {  # what is seen, and how near it must come back, in decibels
    "still": (still, 35),
    "still, light drifts": (lambda: drifting(still()), 32),
    "panning": (panning, 28),
    "panning, light drifts": (lambda: drifting(panning()), 26),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "panning, light drifts")) for name in SCENES]
)
def test_what_was_hidden_comes_back(name):
    make, enough = SCENES[name]
    truths = make()
    frames, masks = clip(truths)
    made = build_clean_plate([(frames[:10], masks[:10]), (frames[10:], masks[10:])])
    assert (made.found is None) == name.startswith("still")
    out, fits = made.remove_person(frames, masks)
    assert decibels(out, truths) > enough
    assert fits.min() > 0.3
    far = np.stack([cv2.dilate(person(t), np.ones((25, 25))) for t in range(COUNT)]) == 0
    own, new = (run.data.permute(0, 2, 3, 1).numpy()[far] for run in (frames, out))
    assert np.array_equal(own, new)
    assert torch.equal(out.seconds, frames.seconds)


def test_each_frame_is_erased_alone():
    frames, masks = clip(panning())
    made = build_clean_plate([(frames, masks)])
    together, _ = made.remove_person(frames[4:7], masks[4:7])
    alone, _ = made.remove_person(frames[5:6], masks[5:6])
    assert torch.equal(together.data[1:2], alone.data)


def test_few_frames_are_held():
    """Of a long clip as of a short one, from its whole length."""
    from motion_imitate.background.plate_making import select_plate_keyframes

    one, mask = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 2, 2, dtype=torch.uint8)
    keys = select_plate_keyframes(((Frames(one, torch.tensor([float(t)])), mask) for t in range(1000)), 48)
    assert 24 <= len(keys) <= 48
    assert keys[0].second == 0
    assert keys[-1].second > 950


def test_where_the_plate_does_not_fit_it_says_so():
    frames, masks = clip(still())
    made = build_clean_plate([(frames, masks)])
    other, their = clip([texture(SIZE, 9)])
    out, fits = made.remove_person(other, their)
    assert fits.max() == 0
    red = out.data.permute(0, 2, 3, 1).numpy()[0][person(0) > 0].astype(int)
    assert (np.abs(red - [230, 30, 30]).sum(1) < 20).mean() < 0.05


def test_nobody_there_changes_nothing():
    frames, masks = clip(still())
    made = build_clean_plate([(frames, masks)])
    out, fits = made.remove_person(frames, torch.zeros_like(masks))
    assert torch.equal(out.data, frames.data)
    assert fits.min() == 1


def test_nothing_to_make_a_plate_of():
    with pytest.raises(ValueError, match="at least one"):
        build_clean_plate([])


def test_a_sighting_becomes_masks_of_the_frame():
    """A square that is in the right half of its crop, which is the frame's middle."""
    mask = torch.zeros(2, 64, 64, dtype=torch.uint8)
    mask[:, :, 32:] = 255
    crop = torch.tensor([[0.5, 0, 0], [0, 0.5, 0]]).expand(2, -1, -1)
    nothing = torch.zeros(2, 33, 3)
    seen = Sighting(nothing[..., :2], nothing, nothing[..., 0], torch.tensor([1.0, 0.0]), crop, mask, torch.arange(2.0))
    masks = full_frame_masks(seen, (1000, 2000))
    assert masks.shape == (2, 240, 480)
    assert (masks[0, 70:170, 250:350] > 250).all()
    assert masks[0, :50].max() == 0
    assert masks[0, 70:170, :230].max() == 0
    assert masks[1].max() == 0


def walker_with_belongings(base):
    """A square person who walks with a shadow and a stick: frames, masks, and where these things are."""
    frames, masks, things = [], [], []
    for t in range(COUNT):
        x, picture = 40 + 6 * t, base.astype(np.float32)
        shadow = cv2.rectangle(np.zeros(SIZE, np.uint8), (x, 146), (x + 40, 158), 1, -1)
        stick = cv2.line(np.zeros(SIZE, np.uint8), (x + 8, 90), (x + 34, 60), 1, 4)
        mask = cv2.rectangle(np.zeros(SIZE, np.uint8), (x - 12, 50), (x + 12, 148), 255, -1)
        picture[shadow > 0] *= 0.6
        picture[stick > 0] = [240, 220, 20]
        picture[mask > 0] = [200, 30, 60]
        frames.append(picture.astype(np.uint8))
        masks.append(mask)
        things.append((shadow | stick > 0) & (mask == 0))
    return np.stack(frames), np.stack(masks), np.stack(things)


def as_frames(pictures):
    data = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    return Frames(data, torch.arange(len(pictures), dtype=torch.float64) / 25)


def grow(masks, by):
    return np.stack([cv2.dilate(mask, np.ones((by, by), np.uint8)) for mask in masks]) > 0


def removed(pictures, masks, others=None):
    """The pictures without the person, by a plate that is built without anybody."""
    people = masks if others is None else np.maximum(masks, others)
    plate = build_clean_plate([(as_frames(pictures), torch.from_numpy(people))])
    out, _ = plate.remove_person(
        as_frames(pictures), torch.from_numpy(masks), None if others is None else torch.from_numpy(others)
    )
    return out.data.permute(0, 2, 3, 1).numpy()


def test_shadow_and_stick_go_with_the_person():
    base = (100 + 0.3 * texture(SIZE).astype(np.float32)).clip(0, 255).astype(np.uint8)
    pictures, masks, things = walker_with_belongings(base)
    left = np.abs(removed(pictures, masks).astype(int) - base).max(-1) > 25
    assert (left & things).sum() < 0.02 * things.sum()


def test_somebody_close_to_the_person_stays():
    base = (100 + 0.3 * texture(SIZE).astype(np.float32)).clip(0, 255).astype(np.uint8)
    pictures, masks, _ = walker_with_belongings(base)
    others = np.stack([np.roll(mask, -34, 1) for mask in masks])
    pictures[others > 0] = [30, 60, 200]
    out = removed(pictures, masks, others)
    clear = (others > 0) & ~grow(masks, 19)
    assert clear.any()
    assert np.array_equal(out[clear], pictures[clear])


def test_what_moves_far_from_the_person_stays():
    pictures, masks, _ = walker_with_belongings(texture(SIZE))
    for t in range(COUNT):
        cv2.circle(pictures[t], (225 - 8 * t, 20), 7, (255, 255, 255), -1)
    assert np.array_equal(removed(pictures, masks)[:, :30], pictures[:, :30])


def test_a_mask_that_lacks_a_limb_once_leaves_no_limb_in_the_plate():
    mask = cv2.rectangle(np.zeros(SIZE, np.uint8), (100, 50), (130, 150), 255, -1)
    pictures, masks = np.stack(still()), np.stack([mask] * COUNT)
    pictures[:, mask > 0] = [255, 0, 255]
    shown = masks.copy()
    shown[5, 100:] = 0
    plate = build_clean_plate([(as_frames(pictures), torch.from_numpy(shown))])
    out, _ = plate.remove_person(as_frames(pictures), torch.from_numpy(masks))
    inside = out.data.permute(0, 2, 3, 1).numpy()[:, mask > 0].astype(int)
    assert (np.abs(inside - [255, 0, 255]).max(-1) < 60).mean() < 0.01
