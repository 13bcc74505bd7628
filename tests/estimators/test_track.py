"""People keep their trails when they cross, vanish and come late; what only looks like a person gets none.

The people here are points that move as told, seen by an ideal network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from motion_imitate.estimators.blazepose import (
    CENTRE_POINT,
    RIM_POINT,
    TORSO_LANDMARKS,
    PersonCandidate,
    PersonLandmarks,
)
from motion_imitate.estimators.roi import Roi
from motion_imitate.estimators.track import PersonTrack, Tracking, continues_track, track_people
from motion_imitate.estimators.track_between import add_looks_between

SIDE = 200.0
IMAGES = [np.full((480, 960, 3), t, np.uint8) for t in range(24)]  # the first pixel tells which frame it is
SECONDS = [t / 30 for t in range(24)]
FIGURE = np.random.default_rng(0).uniform(-0.3, 0.3, (35, 2)).astype(np.float32) * SIDE
FIGURE[CENTRE_POINT], FIGURE[RIM_POINT] = (0, 0), (0, -SIDE / 2.5)
FIGURE[list(TORSO_LANDMARKS)] = np.array([[20, -50], [-20, -50], [15, 0], [-15, 0]], np.float32)


@dataclass(frozen=True)
class Person:
    """Where their hips are at each frame; None where they can't be seen."""

    at: Callable[[int], tuple[float, float] | None]
    torso: float = 1.0


@dataclass(frozen=True)
class Scene:
    people: Sequence[Person]
    misses: Sequence[int] = ()  # frames at which the detector sees nobody
    turns: Sequence[float] = (0.0,)  # rotations of the squares in which the detector sees each person

    def there(self, image: np.ndarray) -> list[tuple[Person, np.ndarray]]:
        places = [(p, p.at(int(image[0, 0, 0]))) for p in self.people]
        return [(p, np.array(at, np.float32)) for p, at in places if at]

    def search(self, image: np.ndarray) -> list[PersonCandidate]:
        if int(image[0, 0, 0]) in self.misses:
            return []
        return [
            PersonCandidate(Roi(float(at[0]), float(at[1]), SIDE, turn), 0.9)
            for _, at in self.there(image)
            for turn in self.turns
        ]

    def glance(self, image: np.ndarray, roi: Roi, hide: Sequence[PersonLandmarks]) -> PersonLandmarks:
        """The person nearest to the middle of the square, if near it, and not hidden; in a square that is upside down
        they seem to be so, too, and less visible."""
        middle = np.array([roi.x, roi.y], np.float32)
        shown = [
            (p, at)
            for p, at in self.there(image)
            if not any(np.hypot(*(h.points[CENTRE_POINT] - at)) < 5 for h in hide)
        ]
        near = sorted((float(np.hypot(*(at - middle))), i) for i, (_, at) in enumerate(shown))
        visible = np.ones(33, np.float32)
        if not near or near[0][0] > 0.4 * SIDE:
            return PersonLandmarks(
                roi, 0.01, FIGURE + middle, np.zeros((33, 3), np.float32), visible, np.full((256, 256), -9, np.float32)
            )
        person, at = shown[near[0][1]]
        visible[list(TORSO_LANDMARKS)] = person.torso
        mask = np.full((256, 256), -9, np.float32)
        mask[40:216, 64:192] = 9
        up = np.float32(1 if np.cos(roi.turn) > 0 else -1)
        visible[25:] *= 1 if up > 0 else 0.1
        return PersonLandmarks(roi, 0.99, up * FIGURE + at, np.zeros((33, 3), np.float32), visible, mask)


def run(scene: Scene, how: Tracking = Tracking()) -> list[PersonTrack]:
    return track_people(IMAGES, SECONDS, scene.search, scene.glance, how)


def path(trail: PersonTrack) -> dict[int, float]:
    return {t: float(seen.points[CENTRE_POINT, 0]) for t, seen in trail.looks.items()}


def test_two_who_cross_keep_their_trails():
    """Where they overlap, both squares show the one in front; the one behind is found again on his own way."""
    right = Person(lambda t: (200 + 14 * t, 240))
    left = Person(lambda t: (540 - 14 * t, 250))
    first, second = sorted((path(t) for t in run(Scene([right, left]))), key=lambda p: p[0])
    assert first[23] == pytest.approx(200 + 14 * 23)
    assert second[23] == pytest.approx(540 - 14 * 23)
    assert all(x == pytest.approx(200 + 14 * t) for t, x in first.items())


def test_who_is_missed_at_first_is_followed_back_to_the_start():
    trail, *more = run(Scene([Person(lambda t: (300 + 5 * t, 240))], misses=[0, 5]))
    assert not more
    assert list(trail.looks) == list(range(24))
    assert path(trail)[0] == pytest.approx(300)


def test_who_is_away_for_a_moment_is_the_same_person():
    away = Person(lambda t: None if 8 <= t < 13 else (300 + 6 * t, 240))
    (trail,) = run(Scene([away]))
    assert set(range(24)) - set(trail.looks) <= set(range(8, 16))
    assert path(trail)[23] == pytest.approx(300 + 6 * 23)


def test_a_ghost_gets_no_trail():
    assert run(Scene([Person(lambda t: (300, 240), torso=0.5)])) == []
    assert run(Scene([])) == []


def test_a_leap_across_the_picture_is_not_one_person():
    leap = Person(lambda t: (200, 240) if t < 12 else (260, 240))
    still = Tracking(jump=0.2, speed=0.0, coast=3)
    first = run(Scene([leap], misses=range(1, 24)), still)
    assert [max(t.looks) for t in first] == [11]


@pytest.mark.parametrize("turns", [(np.pi,), (0.0, np.pi), (np.pi, 0.0)])
def test_who_is_detected_upside_down_is_one_upright_person(turns: Sequence[float]):
    (trail,) = run(Scene([Person(lambda t: (300 + 5 * t, 240))], turns=turns))
    assert all(seen.points[RIM_POINT, 1] < seen.points[CENTRE_POINT, 1] for seen in trail.looks.values())


def test_nobody_turns_upside_down_or_doubles_between_two_looks():
    seen = Scene([Person(lambda t: (300, 240))]).glance(IMAGES[0], Roi(300.0, 240.0, SIDE, 0.0), ())
    middle = seen.points[CENTRE_POINT]
    for degrees, size, same in ((0, 1, True), (50, 1, True), (150, 1, False), (0, 1.6, True), (0, 2.5, False)):
        turn = size * Roi(0.0, 0.0, 1.0, np.radians(degrees)).axes()
        later = replace(seen, points=(seen.points - middle) @ turn.T.astype(np.float32) + middle)
        assert continues_track(later, seen, 0.05, Tracking()) is same
    turned = replace(seen, points=2 * middle - seen.points)  # a somersault
    assert continues_track(turned, seen, 0.4, Tracking())


def test_no_more_people_than_asked_for():
    crowd = Scene([Person(lambda t, i=i: (150 + 200 * i, 240)) for i in range(4)])
    assert len(run(crowd)) == 3
    assert len(run(crowd, Tracking(people=1))) == 1
    assert len(run(crowd, Tracking(people=5))) == 4


def test_new_people_may_have_to_fill_the_picture():
    one = Scene([Person(lambda t: (300, 240))])
    assert len(run(one, Tracking(new_side=0.2))) == 1
    assert run(one, Tracking(new_side=0.3)) == []


def test_how_much_of_the_trunk_must_be_in_the_picture():
    below = Scene([Person(lambda t: (300, 512))])  # the shoulders are just inside, the hips are not
    assert len(run(below)) == 1
    assert run(below, Tracking(new_inside=3)) == []


def looks_added(at: Callable[[int], tuple[float, float] | None]) -> list[int]:
    """The images looked at when the track of a person has looks at images 0, 8 and 16 only."""
    scene = Scene([Person(at)])
    looks = {t: scene.glance(IMAGES[t], Roi(*map(float, at(t)), SIDE, 0.0), ()) for t in (0, 8, 16)}
    trail = PersonTrack(looks, looks[16].next_roi())
    looked = add_looks_between(trail, [0, 8, 16], IMAGES, SECONDS, scene.glance, Tracking())
    assert looked == list(trail.looks)
    assert all(x == pytest.approx(at(t)[0]) for t, x in path(trail).items())
    return looked


def test_more_looks_where_somebody_moves_fast():
    assert looks_added(lambda t: (300 + 0.5 * t, 240)) == [0, 8, 16]
    assert looks_added(lambda t: (300 + 10 * max(0, t - 8), 240)) == [0, *range(8, 17)]
    assert looks_added(lambda t: (300 + 3 * t, 240)) == [0, 2, 4, 6, 8, 10, 12, 14, 16]


def test_no_look_is_added_that_shows_nobody():
    assert looks_added(lambda t: (300 + 6 * t, 240 if t in (0, 8, 16) else 440)) == [0, 8, 16]
